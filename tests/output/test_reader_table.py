#!/usr/bin/env python3
"""What other programs read of a shard of version 1 and of one of today: the table of docs/reading.md must stay as it is.

    test_reader_table.py MAKE_SHARDS WORK_DIR

Readers run in processes of their own: HDF5 of h5py, netCDF4 and PyTables are three libraries.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "output" / "fixtures" / "run_v1" / "run" / "shards" / "64x64" / "000000.h5"

# What a cell of the table says: a kind of column, whether its values are right.
KINDS = ("images", "text", "uint64", "fixed", "lists")


def documented():
    """{reader: kinds that it reads}, by the rows of the table in docs/reading.md"""
    rows = re.findall(r"^\| (.+?) \|((?: (?:yes|no) \|)+)$", (ROOT / "docs" / "reading.md").read_text(), re.MULTILINE)
    return {reader: " ".join(kind for kind, cell in zip(KINDS, re.findall("yes|no", cells), strict=True) if cell == "yes") for reader, cells in rows}


NEW = documented()
OLD = {**NEW, "xarray h5netcdf": "",  # the file does not open
       "pyfive": "images uint64 fixed"}


def columns(version):
    """-> {kind: column}"""
    return dict(images="images", text="prompt", uint64="seed", fixed="sha256", lists="timing_s" if version == 1 else "by_rank/timing_s")


def expected(path, version):
    import h5py
    with h5py.File(path) as file:
        return {kind: file[name].asstr()[:] if kind == "text" else file[name][:] for kind, name in columns(version).items()}


class H5py:
    def __init__(self, path):
        import h5py
        self.file = h5py.File(path)

    def read(self, kind, name):
        return self.file[name].asstr()[:] if kind == "text" else self.file[name][:]


class H5dump:
    def __init__(self, path):
        self.path = path
        assert "Version 1.10" in subprocess.run(["h5dump", "--version"], check=True, capture_output=True, text=True).stdout

    def read(self, kind, name):
        """Its numbers and texts, for the last row alone."""
        import h5py
        import numpy
        with h5py.File(self.path) as file:
            shape, last = file[name].shape, len(file[name]) - 1
        start = ",".join([str(last)] + ["0"] * (len(shape) - 1))
        count = ",".join(["1"] + [str(n) for n in shape[1:]])
        text = subprocess.run(["h5dump", "-y", "-w", "0", "-m", "%.9g", "-d", f"/{name}", "-s", start, "-c", count, self.path], check=True,
                              capture_output=True).stdout.decode()
        data = re.search(r"DATA \{(.*?)\n *\}", text, re.DOTALL)[1].strip()
        if kind == "text":
            return LastRow(data.strip('"'))
        numbers = [float(word) if kind == "lists" else int(word) for word in re.findall(r"[^\s(),]+", data)]
        return LastRow(numpy.array(numbers, dtype=numpy.float32 if kind == "lists" else numpy.uint64))


class LastRow:
    def __init__(self, value):
        self.value = value


class Datasets:
    def __init__(self, path):
        import tempfile
        import datasets
        self.rows = datasets.load_dataset("hdf5", data_files=str(path), split="train", cache_dir=tempfile.mkdtemp())

    def read(self, kind, name):
        found = [row for row in self.rows]
        for part in name.split("/"):
            found = [row[part] for row in found]
        return found


class Xarray:
    def __init__(self, path, engine):
        import xarray
        self.open = lambda group=None: xarray.open_dataset(path, engine=engine, group=group)
        self.root, self.engine = self.open(), engine

    def read(self, kind, name):
        group, _, column = name.rpartition("/")
        return (self.open(group) if group else self.root)[column].values


class NetCDF4:
    def __init__(self, path):
        import netCDF4
        self.file = netCDF4.Dataset(path)
        self.file.set_auto_mask(False)

    def read(self, kind, name):
        return self.file[name][:]


class Pyfive:
    def __init__(self, path):
        import pyfive
        self.file = pyfive.File(path)

    def read(self, kind, name):
        values = self.file[name][:]
        return [value.decode() if isinstance(value, bytes) else value for value in values] if kind == "text" else values


class PyTables:
    def __init__(self, path):
        import tables
        self.file = tables.open_file(path)

    def read(self, kind, name):
        return self.file.get_node("/" + name)[:]


class Kerchunk:
    def __init__(self, path):
        import fsspec
        import zarr
        from kerchunk.hdf import SingleHdf5ToZarr
        references = SingleHdf5ToZarr(str(path), inline_threshold=0).translate()
        files = fsspec.filesystem("reference", fo=references, asynchronous=True)
        self.group = zarr.open_group(zarr.storage.FsspecStore(files, read_only=True), mode="r", zarr_format=2)

    def read(self, kind, name):
        return self.group[name][:]


READERS = {
    "h5py": H5py,
    "h5dump 1.10": H5dump,
    "datasets": Datasets,
    "xarray netcdf4": lambda path: Xarray(path, "netcdf4"),
    "xarray h5netcdf": lambda path: Xarray(path, "h5netcdf"),
    "netCDF4": NetCDF4,
    "pyfive": Pyfive,
    "PyTables": PyTables,
    "kerchunk": Kerchunk,
}


def is_right(read, wanted):
    import numpy
    if isinstance(read, LastRow):
        last = wanted[-1]
        return read.value == last if isinstance(last, str) else numpy.array_equal(numpy.asarray(read.value).ravel(), numpy.asarray(last).ravel())
    return len(read) == len(wanted) and all(
        str(a) == b if isinstance(b, str) else numpy.array_equal(numpy.asarray(a, dtype=numpy.asarray(b).dtype), b) for a, b in zip(read, wanted))


def read_all(reader, path, version):
    """-> the kinds of columns that came right, and why others did not"""
    warnings.simplefilter("ignore")
    wanted = expected(path, version)
    right, why = [], {}
    try:
        opened = READERS[reader](path)
    except Exception as error:  # whatever it throws is what users see
        return right, {"open": repr(error)[:200]}
    for kind, name in columns(version).items():
        try:
            (right.append(kind) if is_right(opened.read(kind, name), wanted[kind]) else why.update({kind: "other values"}))
        except Exception as error:
            why[kind] = repr(error)[:200]
    return right, why


def main(make, work):
    work = pathlib.Path(work).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rows = [dict(id=f"r{i}", index=0, width=48, height=32, value=i, prompt=["a fox", "naïve 東京 🦊", ""][i % 3] + str(i), seed=2**63 + i,
                 ranks=1 + i % 2, layout="one") for i in range(4)]  # the last one in ASCII, which h5dump prints as it is
    (work / "rows.json").write_text(json.dumps(rows))
    subprocess.run([make, work / "run", work / "rows.json"], check=True, stdout=subprocess.DEVNULL)
    shards = {1: (FIXTURE, OLD), 2: (work / "run/shards/48x32/000000.h5", NEW)}
    assert list(NEW) == list(READERS), f"docs/reading.md has the readers {list(NEW)}"
    wrong = []
    paths = [f"{version}:{shard}" for version, (shard, _) in shards.items()]
    for reader in READERS:
        done = subprocess.run([sys.executable, __file__, "--read", reader, *paths], capture_output=True, text=True)
        assert done.returncode == 0, f"{reader}: {done.stderr[-2000:]}"
        for (version, (_, table)), (right, why) in zip(shards.items(), json.loads(done.stdout.splitlines()[-1]), strict=True):
            print(f"version {version}  {reader:16} {' '.join(right):32} {why or ''}", flush=True)
            if right != table[reader].split():
                wrong.append(f"{reader}, version {version}: reads {right}, not {table[reader].split()}: {why}")
    assert not wrong, "\n".join(wrong)


if __name__ == "__main__":
    if sys.argv[1] == "--read":
        print(json.dumps([read_all(sys.argv[2], path, int(version)) for version, path in (shard.split(":", 1) for shard in sys.argv[3:])]))
    else:
        main(*sys.argv[1:])
