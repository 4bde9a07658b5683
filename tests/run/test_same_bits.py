#!/usr/bin/env python3
"""The same records on 1 to 8 ranks in many layouts: every image has the same SHA-256.

    test_same_bits.py DITBATCH MPIRUN_SH WORK_DIR [fp32|bf16 ...]

Pipeline d (8 heads) in every dtype named, pipeline b (6 heads, so degrees of 3 and 6) in the last.
"""
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "support")]
from make_pipeline import make_pipeline  # noqa: E402
from run_hashes import hashes, image_name  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
DTYPES = sys.argv[4:] or ["fp32", "bf16"]

# ranks, cfg, ring, ulysses; what is left are replicas
LAYOUTS = [(1, 1, 1, 1), (2, 1, 1, 2), (2, 1, 2, 1), (2, 2, 1, 1), (2, 1, 1, 1), (3, 1, 3, 1), (3, 1, 1, 1), (4, 1, 1, 4),
           (4, 1, 2, 2), (4, 2, 1, 2), (4, 1, 4, 1), (6, 2, 3, 1), (6, 1, 3, 2), (6, 1, 6, 1), (8, 1, 1, 8), (8, 2, 2, 2),
           (8, 1, 1, 2)]


def records(scale):
    """12 records of mixed sizes (uneven over every degree), with and without true CFG, odd text lengths."""
    made = []
    sizes = [(6, 6), (9, 5), (5, 7), (3, 11)]
    for i in range(12):
        width, height = sizes[i % 4]
        record = dict(id=f"r{i}", prompt=f"a red fox number {i} on a hill", seed=1000 + i, width=width * scale,
                      height=height * scale, steps=2 + i % 2, max_sequence_length=13 + i % 3 * 5)
        if i % 3 == 0:
            record.update(negative_prompt="blurry" if i else "", true_cfg_scale=2.5)
        made.append(record)
    return made


def run(name, manifest, pipeline, dtype, ranks, mesh, *more, expect=0):
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in manifest))
    (folder / "job.toml").write_text(
        f'[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "{pipeline}"\ndtype = "{dtype}"\n'
        f'[mesh]\ncfg = {mesh[0]}\nring = {mesh[1]}\nulysses = {mesh[2]}\n[runtime]\ndevice = "cpu"\n')
    done = subprocess.run([MPIRUN, str(ranks), PROGRAM, "run", str(folder / "job.toml"), *more], capture_output=True, text=True)
    assert done.returncode == expect, f"{name}: exit {done.returncode}, not {expect}\n{done.stderr}"
    return hashes(folder / "run")


def read_alike(run_dir, expected):
    """h5py and datasets give the same pixels and columns of a run that two layouts made."""
    import datasets
    import numpy
    layouts, sizes = set(), set()
    for folder in sorted((run_dir / "shards").iterdir()):
        rows = {}
        for shard in sorted(folder.glob("*.h5")):
            with h5py.File(shard) as file:
                text = {name for name in file if h5py.check_string_dtype(file[name].dtype)}
                for i in range(len(file["id"])):
                    rows[file["id"].asstr()[i]] = {name: file[name].asstr()[i] if name in text else file[name][i] for name in file}
        loaded = datasets.load_dataset("hdf5", data_files=str(folder / "*.h5"), split="train", cache_dir=str(WORK / "cache"))
        assert len(loaded) == len(rows)
        for read in loaded:
            row = rows[read["id"]]
            assert set(read) == set(row)
            for name, value in row.items():
                assert numpy.array_equal(numpy.asarray(read[name], dtype=getattr(value, "dtype", None)), value), (folder.name, read["id"], name)
            assert hashlib.sha256(numpy.asarray(read["images"], dtype=numpy.uint8).tobytes()).hexdigest() == expected[image_name(read["id"], read["index"])]
            layouts.add(read["layout"])
            sizes.add((read["width"] > read["height"]) - (read["width"] < read["height"]))
    assert sizes == {-1, 0, 1} and len(layouts) == 2, (sizes, layouts)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    pipelines = {}
    for arch, kind in (("d", "dev"), ("b", "schnell")):
        folder = WORK / f"pipeline-{arch}"
        pipelines[arch] = folder
        made = make_pipeline(arch, kind, "legacy", 7, folder)
        heads, scale = made.transformer.config.num_attention_heads, made.vae_scale_factor * 2
        manifest = records(scale)
        for dtype in DTYPES if arch == "d" else DTYPES[-1:]:
            expected = run(f"{arch}-{dtype}-one", manifest, folder, dtype, 1, (1, 1, 1))
            assert len(expected) == 12 and len(set(expected.values())) == 12
            count = 0
            for ranks, cfg, ring, ulysses in LAYOUTS:
                if heads % ulysses:
                    continue
                name = f"{arch}-{dtype}-{ranks}ranks-cfg{cfg}-ring{ring}-ulysses{ulysses}"
                assert run(name, manifest, folder, dtype, ranks, (cfg, ring, ulysses)) == expected, name
                count += 1
            shuffled = manifest[:]
            random.Random(3).shuffle(shuffled)
            assert run(f"{arch}-{dtype}-shuffled", shuffled, folder, dtype, 2, (1, 1, 2)) == expected, "shuffled"
            # Stopped after five images on 2 ranks, resumed on 3, then nothing left to do.
            name = f"{arch}-{dtype}-resumed"
            assert len(run(name, manifest, folder, dtype, 2, (1, 2, 1), "--limit", "5")) == 5
            assert run(name, manifest, folder, dtype, 3, (1, 3, 1)) == expected, "resumed"
            assert run(name, manifest, folder, dtype, 1, (1, 1, 1)) == expected, "resumed again"
            read_alike(WORK / name / "run", expected)
            print(f"pipeline {arch}, {dtype}: 12 images, {count} layouts, shuffled and resumed: all SHA-256 equal")


if __name__ == "__main__":
    main()
