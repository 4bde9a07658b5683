#!/usr/bin/env python3
"""Shards as other programs see them: h5dump, h5py, datasets; and what happens to broken ones.

    test_readers.py MAKE_SHARDS DITBATCH WORK_DIR
"""
import hashlib
import importlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import h5py
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from run_hashes import columns, flat  # noqa: E402

MAKE, PROGRAM, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
os.environ["HF_DATASETS_CACHE"] = str(WORK / "cache")


def rows(count=17):
    """Landscape, portrait and square, made by two layouts; prompts with all kinds of text."""
    sizes = [(48, 32), (32, 48), (40, 40)]
    prompts = ["a fox", "naïve 東京 🦊", "", "quotes \" and \\ and \n newline"]
    return [dict(id=f"r{i}", index=i % 2, width=sizes[i % 3][0], height=sizes[i % 3][1], value=i * 11, seed=2**63 + i,
                 prompt=prompts[i % 4], negative_prompt="blurry" if i % 2 else "", metadata=json.dumps({"n": i}),
                 tags=json.dumps(["a", "b"]), ranks=1 + i % 2, layout=["one", "two"][i % 2]) for i in range(count)]


def pixels(row):
    y, x, c = numpy.meshgrid(range(row["height"]), range(row["width"]), range(3), indexing="ij")
    return ((row["value"] + 7 * y + 3 * x + 5 * c) % 251).astype(numpy.uint8)


def make(name, made):
    run = WORK / name
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    (run / "rows.json").write_text(json.dumps(made))
    subprocess.run([MAKE, run, run / "rows.json"], check=True, stdout=subprocess.DEVNULL)
    return run


def verify(run):
    return subprocess.run([PROGRAM, "verify", run], capture_output=True, text=True)


def check_row(row, read, where):
    image = pixels(row)
    assert numpy.array_equal(numpy.asarray(read["images"], dtype=numpy.uint8), image), f"{where}: pixels differ"
    for key in ("id", "index", "width", "height", "prompt", "negative_prompt", "metadata", "tags", "seed", "ranks", "layout"):
        assert read[key] == row[key], f"{where}: {key} is {read[key]!r}, not {row[key]!r}"
    assert bytes(read["sha256"]) == hashlib.sha256(image.tobytes()).digest(), where
    assert list(read["by_rank/timing_s"]) == [0.25] * (5 * row["ranks"]), where
    assert abs(read["pixel_std"] - image.std()) < 1e-3, where


def read_with_h5py(run, made):
    by_id = {row["id"]: row for row in made}
    seen = set()
    for shard in sorted((run / "shards").rglob("*.h5")):
        assert not os.stat(shard).st_mode & 0o222, f"{shard} can be written"
        with h5py.File(shard) as file:
            assert file.attrs["complete"] == 1 and file.attrs["schema_version"] == 2
            counts = {len(column) for column in columns(file).values()}
            assert len(counts) == 1, "every dataset has as many rows"
            assert file["images"].compression == "gzip" and file["images"].fletcher32 and not file["images"].shuffle
            assert file["images"].attrs["encoding"] == "raw"
            for i in range(counts.pop()):
                read = {name: file[name].asstr()[i] if file[name].dtype == object and h5py.check_string_dtype(file[name].dtype)
                        else file[name][i] for name in columns(file)}
                check_row(by_id[read["id"]], read, f"h5py {shard.name} row {i}")
                seen.add(read["id"])
    assert seen == set(by_id)


def read_with_h5dump(run):
    for shard in (run / "shards").rglob("*.h5"):
        text = subprocess.run(["h5dump", "-H", shard], check=True, capture_output=True, text=True).stdout
        assert "DATASET \"images\"" in text and "H5T_VLEN" in text and "H5T_CSET_UTF8" in text


def documented(name):
    """A module with the Python of docs/reading.md that defines a name; in a file, as other processes import it."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "reading.md").read_text()
    [block] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if f" {name}(" in block]
    (WORK / f"read_{name}.py").write_text(block)
    sys.path.insert(0, str(WORK))
    return importlib.import_module(f"read_{name}")


def read_with_datasets(run, made):
    import datasets
    by_id = {row["id"]: row for row in made}
    seen = set()
    for read in documented("rows_of").rows_of(run):
        assert read["images"].dtype == numpy.uint8
        check_row(by_id[read["id"]], flat(read), "datasets")
        seen.add(read["id"])
    assert seen == set(by_id)
    # What docs/reading.md warns of.
    shards = [str(run / "shards" / size / "000000.h5") for size in ("32x48", "48x32")]
    rows = datasets.load_dataset("hdf5", data_files=shards, split="train")
    assert {numpy.shape(row["images"]) for row in rows} == {(48, 32, 3)} and rows[-1]["height"] == 32, "each file has its own shape now"
    first = rows.with_format("torch", columns=["images", "seed"])[0]
    assert str(first["images"].dtype) == "torch.int64" and int(first["seed"]) < 0
    assert int(first["seed"]) % 2**64 == by_id[rows[0]["id"]]["seed"]


def read_with_torch(run, made):
    """Workers of every kind, after this process opened a file itself."""
    import torch
    rows = documented("Shards").Shards(run / "shards" / "48x32")
    wanted = sorted((row["prompt"], pixels(row).tobytes()) for row in made if row["width"] == 48)
    assert rows[0]["image"].dtype == torch.uint8 and len(list((run / "shards" / "48x32").iterdir())) > 1
    for method in ("fork", "spawn", "forkserver"):
        workers = 2 if method == "fork" else 1  # others take seconds to import PyTorch
        loader = torch.utils.data.DataLoader(rows, batch_size=2, shuffle=True, num_workers=workers, multiprocessing_context=method)
        read = sorted((prompt, image.numpy().tobytes()) for batch in loader for prompt, image in zip(batch["prompt"], batch["image"]))
        assert read == wanted, f"DataLoader by {method}"


def read_export(run, made):
    from PIL import Image
    out = WORK / "export"
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([PROGRAM, "export", run, "--format", "imagefolder", "--image", "png", "--out", out], check=True, stdout=subprocess.DEVNULL)
    by_id = {row["id"]: row for row in made}
    count = 0
    for metadata in out.rglob("metadata.jsonl"):
        for line in metadata.read_text().splitlines():
            read = json.loads(line)
            row = by_id[read["id"]]
            image = Image.open(metadata.parent / read["file_name"])
            assert numpy.array_equal(numpy.asarray(image), pixels(row)) and read["prompt"] == row["prompt"]
            assert f"Seed: {row['seed']}" in image.text["parameters"] and image.text["provenance"] == "[]"
            count += 1
    assert count == len(made) and json.loads((out / "provenance.json").read_text()) == {"models": []}
    import datasets
    folder = str(out / "48x32")
    loaded = datasets.load_dataset("imagefolder", data_dir=folder, split="train", cache_dir=str(WORK / "cache"))
    assert {row["id"]: row["seed"] for row in loaded} == {row["id"]: str(row["seed"]) for row in made if row["width"] == 48}
    for row in loaded:
        assert numpy.array_equal(numpy.asarray(row["image"]), pixels(by_id[row["id"]])), f"imagefolder: {row['id']}"


def broken_bytes_are_found(run):
    rng = random.Random(1)
    shards = sorted((run / "shards").rglob("*.h5"))
    for _ in range(12):
        shard = rng.choice(shards)
        data = bytearray(shard.read_bytes())
        at = rng.randrange(len(data))
        good = data[at]
        data[at] ^= 1 << rng.randrange(8)
        os.chmod(shard, 0o644)
        shard.write_bytes(data)
        found = verify(run)
        assert found.returncode == 74 and shard.name in found.stdout, f"flip at {at} of {shard.name} was not found\n{found.stdout}"
        data[at] = good
        shard.write_bytes(data)
    assert verify(run).returncode == 0


def compare_finds_one_pixel(run, made):
    other = WORK / "other"
    changed = [dict(row) for row in made]
    changed[4]["value"] += 1
    make("other", changed)
    result = subprocess.run([PROGRAM, "compare", run, other], capture_output=True, text=True)
    assert result.returncode == 1 and f"{len(made) - 1} images identical" in result.stdout, result.stdout
    assert f"{made[4]['id']}[{made[4]['index']}]: largest difference" in result.stdout
    assert subprocess.run([PROGRAM, "compare", run, run], capture_output=True).returncode == 0


def full_disk_publishes_nothing_wrong(made):
    mount = WORK / "small"
    mount.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", mount], capture_output=True).returncode:
        print("skipped: no right to mount a small tmpfs here")
        return
    try:
        (WORK / "many.json").write_text(json.dumps([dict(row, id=f"m{i}", width=96, height=96, value=i) for i, row in enumerate(made * 5)]))
        failed = subprocess.run([MAKE, mount / "run", WORK / "many.json"], capture_output=True, text=True)
        assert failed.returncode == 74, f"exit {failed.returncode}: {failed.stderr}"
        assert str(mount) in failed.stderr and "bytes are free" in failed.stderr, failed.stderr
        assert verify(mount / "run").returncode == 0
    finally:
        subprocess.run(["umount", mount], check=True)


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    made = rows()
    run = make("run", made)
    assert verify(run).returncode == 0
    read_with_h5py(run, made)
    read_with_h5dump(run)
    read_with_datasets(run, made)
    read_with_torch(run, made)
    read_export(run, made)
    broken_bytes_are_found(run)
    compare_finds_one_pixel(run, made)
    full_disk_publishes_nothing_wrong(made)
    print("every pixel and column equal in h5py, h5dump, datasets, PyTorch and the export; broken shards are found")


if __name__ == "__main__":
    main()
