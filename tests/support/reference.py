"""docs/reference.md, read: what the program really wrote must be what stands there."""
import pathlib
import re

import h5py

FILE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference.md"


def tables():
    """-> {heading: its tables, each a list of {column: cell}}; code without its backticks"""
    found, heading, head = {}, None, None
    for line in FILE.read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").replace("`", "")
        if not line.startswith("|"):
            head = None
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if head is None:
            head = cells
            found.setdefault(heading, []).append([])
        elif set(line) != {"|", "-"}:
            found[heading][-1].append({name: re.sub(r"^`(.*)`$", r"\1", cell) for name, cell in zip(head, cells, strict=True)})
    return found


def pattern(path):
    return re.sub(r"\d+", r"\\d+", re.escape(path).replace(r"\*", "[^/]*"))


def check_files(run_dir):
    """Every file of a run folder is described, and each of its metrics."""
    described = [path for row in tables()["Run folder"][0] for path in (row["file"], row["by part 7 of an array"]) if path]
    is_leaf = lambda path: not any(other != path and other.startswith(path) for other in described)
    files = re.compile("|".join(pattern(path) + "(.new)?" for path in described if not path.endswith("/")))
    beneath = re.compile("|".join(pattern(path) for path in described if path.endswith("/") and is_leaf(path)))
    for file in pathlib.Path(run_dir).rglob("*"):
        name = file.relative_to(run_dir).as_posix()
        assert file.is_dir() or files.fullmatch(name) or beneath.match(name), f"{name} does not stand in {FILE.name}"
    for file in pathlib.Path(run_dir).glob("sessions/*/metrics.prom"):
        names = re.findall(r"^(\w+) ", file.read_text(), re.MULTILINE)
        assert names == [row["metric"] for row in tables()["Metrics"][0]], names


def is_stored_as(dataset, kind):
    """Whether a column has the type and shape of the reference: "uint8 [N,32]"."""
    of, shape = re.fullmatch(r"(.*) \[(.*)\]", kind).groups()
    if of == "text":
        stored = h5py.check_string_dtype(dataset.dtype) is not None
    elif of.endswith(" lists"):
        stored = h5py.check_vlen_dtype(dataset.dtype) == of.removesuffix(" lists")
    else:
        stored = dataset.dtype == of
    lengths = shape.split(",")
    return stored and len(lengths) == len(dataset.shape) and all(not a.isdigit() or int(a) == b for a, b in zip(lengths, dataset.shape))


def check_shards(run_dir):
    """Columns and attributes of each shard are those that are described, no more and no less. -> the versions of the shards"""
    newest, *older = tables()["Columns"]
    attributes = tables()["Attributes"][0]
    versions = set()
    for shard in sorted(pathlib.Path(run_dir).glob("shards/*/*.h5")):
        with h5py.File(shard) as file:
            version = int(file.attrs["schema_version"])
            versions.add(version)
            there = lambda rows: [row for row in rows if version > 1 or row["since"] == "0.1"]
            columns = {row["column"]: row["type"] for row in there(newest) + (older[0] if version == 1 else [])}
            found = {}
            file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
            assert set(found) == set(columns), f"{shard}: {set(found) ^ set(columns)}"
            wrong = [name for name, kind in columns.items() if not is_stored_as(found[name], kind)]
            assert not wrong, f"{shard}: {[(name, columns[name], found[name]) for name in wrong]}"
            stored = {*file.attrs, *(name for item in found.values() for name in item.attrs)}
            assert stored == {row["attribute"] for row in there(attributes)}, f"{shard}: {sorted(stored)}"
    return versions
