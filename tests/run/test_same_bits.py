#!/usr/bin/env python3
"""The same records on 1 to 8 ranks in many layouts, alone and in batches: every image has the same SHA-256.

    test_same_bits.py DITBATCH MPIRUN_SH WORK_DIR [fp32|bf16 ...]

Pipeline d (8 heads) in every dtype named, pipeline b (6 heads, so ulysses degrees of 3 and 6) in the first. Each in layouts
that differ in kind, d in the first dtype also shuffled, stopped and resumed; DITBATCH_EVERY_CASE=1 runs all.
"""
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]
from pipelines import copy_pipeline  # noqa: E402
from run_hashes import columns, flat, hashes, image_name  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
DTYPES = sys.argv[4:] or ["fp32", "bf16"]
EVERY_CASE = bool(os.environ.get("DITBATCH_EVERY_CASE"))

# ranks, cfg, ring, ulysses; what is left are replicas
LAYOUTS = [(1, 1, 1, 1), (2, 1, 1, 2), (2, 1, 2, 1), (2, 2, 1, 1), (2, 1, 1, 1), (3, 1, 3, 1), (3, 1, 1, 1), (4, 1, 1, 4),
           (4, 1, 2, 2), (4, 2, 1, 2), (4, 1, 4, 1), (6, 2, 3, 1), (6, 1, 3, 2), (6, 1, 6, 1), (8, 1, 1, 8), (8, 2, 2, 2),
           (8, 1, 1, 2), (3, 1, 1, 3), (6, 2, 1, 3), (6, 1, 1, 6)]
# Of d in fp32, which CPUs compute in; of b, those that only 6 heads have, and both methods; of d in bf16, which takes CPUs
# six times as long, and which the layouts of tests/gpu/full_size_bits.py are in.
MOST_LAYOUTS = [(2, 2, 1, 1), (3, 1, 1, 1), (4, 1, 2, 2), (6, 2, 3, 1), (8, 1, 1, 8), (8, 2, 2, 2)]
LAYOUTS_OF_6_HEADS = [(3, 1, 1, 3), (6, 2, 1, 3), (6, 1, 3, 2)]
FEW_LAYOUTS = [(2, 1, 2, 1), (4, 2, 1, 2)]


def records(scale):
    """8 records of mixed sizes (uneven over every degree), with and without true CFG, odd text lengths."""
    made = []
    sizes = [(6, 6), (9, 5), (5, 7), (3, 11)]
    for i in range(8):
        width, height = sizes[i % 4]
        record = dict(id=f"r{i}", prompt=f"a red fox number {i} on a hill", seed=1000 + i, width=width * scale,
                      height=height * scale, steps=2 + i % 2, max_sequence_length=13 + i % 3 * 5)
        if i % 3 == 0:
            record.update(negative_prompt="blurry" if i else "", true_cfg_scale=2.5)
        made.append(record)
    return made


def records_to_batch(scale):
    """18 records of four buckets (7, 5, 4 and 2), interleaved, with and without true CFG, each with numbers of its own."""
    made = []
    for i in range(18):
        record = dict(id=f"b{i}", prompt=f"{i} red foxes" + " on a hill" * (i % 3), seed=2000 + i, width=6 * scale, height=6 * scale,
                      steps=2, max_sequence_length=17, guidance_scale=1 + 0.5 * i)
        if i % 4 == 1:
            record.update(negative_prompt="blurry" * (i % 3), true_cfg_scale=1.5 + i / 10)
        if i % 4 == 2:
            record.update(width=9 * scale, height=5 * scale)
        if i % 8 == 3:
            record.update(max_sequence_length=23)
        made.append(record)
    return made


# batch size, ranks, mesh
BATCHES = [(2, 1, (1, 1, 1)), (3, 1, (1, 1, 1)), (4, 1, (1, 1, 1)), (64, 1, (1, 1, 1)), (3, 2, (2, 1, 1)), (4, 4, (2, 1, 2)), (2, 3, (1, 3, 1)),
           (3, 2, (1, 1, 1)), (4, 2, (1, 1, 2)), (4, 6, (2, 1, 1))]
MOST_BATCHES = [(64, 1, (1, 1, 1)), (4, 4, (2, 1, 2)), (2, 3, (1, 3, 1))]
FEW_BATCHES = [(4, 4, (2, 1, 2))]


def rows(run_dir):
    """-> [(id, batch size, seconds in each phase of each rank)] of all shards"""
    found = []
    for shard in sorted(run_dir.glob("shards/*/*.h5")):
        with h5py.File(shard) as file:
            found += zip(file["id"].asstr()[:], (int(size) for size in file["batch_size"][:]), (list(map(float, times)) for times in file["by_rank/timing_s"][:]))
    return found


def batched(arch, folder, dtype, scale, batches):
    manifest = records_to_batch(scale)
    expected = run(f"{arch}-{dtype}-alone", manifest, folder, dtype, 1, (1, 1, 1))
    assert len(set(expected.values())) == len(manifest)
    for size, ranks, mesh in batches:
        name = f"{arch}-{dtype}-batch{size}-{ranks}ranks-cfg{mesh[0]}-ring{mesh[1]}-ulysses{mesh[2]}"
        assert run(name, manifest, folder, dtype, ranks, mesh, f"--set=runtime.batch_size={size}") == expected, name
        made = rows(WORK / name / "run")
        sizes = collections.Counter(row[1] for row in made)
        assert 1 < max(sizes) <= size, (name, sizes)
        if size == 64:
            assert sizes == {7: 7, 5: 5, 4: 4, 2: 2}, sizes
        # A batch's time is spread over its rows: they add up to what the ranks spent on images.
        [summary] = (WORK / name / "run" / "sessions").glob("*/summary.json")
        phases = ("text", "denoise", "decode")  # the first of five
        spent_s = sum(rank["phase_s"][phase] for rank in json.loads(summary.read_text())["ranks"] for phase in phases)
        in_rows_s = sum(time for row in made for i, time in enumerate(row[2]) if i % 5 < 3)
        assert abs(in_rows_s / spent_s - 1) < 0.001, (name, in_rows_s, spent_s)
    if len(batches) <= len(FEW_BATCHES):
        return len(batches)
    shuffled = manifest[:]
    random.Random(5).shuffle(shuffled)
    assert run(f"{arch}-{dtype}-batch-shuffled", shuffled, folder, dtype, 1, (1, 1, 1), "--set=runtime.batch_size=3") == expected, "shuffled"
    name = f"{arch}-{dtype}-batch-resumed"
    assert len(run(name, manifest, folder, dtype, 1, (1, 1, 1), "--limit", "7", "--set=runtime.batch_size=4")) == 7
    assert run(name, manifest, folder, dtype, 2, (1, 1, 2), "--set=runtime.batch_size=3") == expected, "resumed"
    return len(batches)


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
                text = {name for name in columns(file) if h5py.check_string_dtype(file[name].dtype)}
                for i in range(len(file["id"])):
                    rows[file["id"].asstr()[i]] = {name: file[name].asstr()[i] if name in text else file[name][i] for name in columns(file)}
        loaded = datasets.load_dataset("hdf5", data_files=str(folder / "*.h5"), split="train", cache_dir=str(run_dir.parent / "cache"))
        assert len(loaded) == len(rows)
        for read in map(flat, loaded):
            row = rows[read["id"]]
            assert set(read) == set(row)
            for name, value in row.items():
                assert numpy.array_equal(numpy.asarray(read[name], dtype=getattr(value, "dtype", None)), value), (folder.name, read["id"], name)
            assert hashlib.sha256(numpy.asarray(read["images"], dtype=numpy.uint8).tobytes()).hexdigest() == expected[image_name(read["id"], read["index"])]
            layouts.add(read["layout"])
            sizes.add((read["width"] > read["height"]) - (read["width"] < read["height"]))
    assert sizes == {-1, 0, 1} and len(layouts) == 2, (sizes, layouts)


def compare(arch, folder, dtype, heads, scale, layouts, batches):
    """-> what was compared"""
    manifest = records(scale)
    expected = run(f"{arch}-{dtype}-one", manifest, folder, dtype, 1, (1, 1, 1))
    assert len(expected) == len(set(expected.values())) == len(manifest)
    count = 0
    for ranks, cfg, ring, ulysses in layouts:
        if heads % ulysses:
            continue
        name = f"{arch}-{dtype}-{ranks}ranks-cfg{cfg}-ring{ring}-ulysses{ulysses}"
        assert run(name, manifest, folder, dtype, ranks, (cfg, ring, ulysses)) == expected, name
        count += 1
    kinds = batched(arch, folder, dtype, scale, batches)
    made = f"pipeline {arch}, {dtype}: {len(manifest)} images, {count} layouts, 18 images in {kinds} kinds of batches"
    if len(layouts) < len(MOST_LAYOUTS):
        return f"{made}: all SHA-256 equal"
    shuffled = manifest[:]
    random.Random(3).shuffle(shuffled)
    assert run(f"{arch}-{dtype}-shuffled", shuffled, folder, dtype, 2, (1, 1, 2)) == expected, "shuffled"
    # Stopped after five images on 2 ranks, resumed on 3, then nothing left to do.
    name = f"{arch}-{dtype}-resumed"
    assert len(run(name, manifest, folder, dtype, 2, (1, 2, 1), "--limit", "5")) == 5
    assert run(name, manifest, folder, dtype, 3, (1, 3, 1)) == expected, "resumed"
    assert run(name, manifest, folder, dtype, 1, (1, 1, 1)) == expected, "resumed again"
    read_alike(WORK / name / "run", expected)
    return f"{made}, shuffled and resumed: all SHA-256 equal"


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    cases = []
    for arch, kind, dtypes in (("d", "dev", DTYPES), ("b", "schnell", DTYPES[:1])):
        folder = WORK / f"pipeline-{arch}"
        copy_pipeline(arch, kind, "legacy", 7, folder)
        heads = json.loads((folder / "transformer" / "config.json").read_text())["num_attention_heads"]
        scale = 2 ** len(json.loads((folder / "vae" / "config.json").read_text())["block_out_channels"])  # pixels of a token
        for dtype in dtypes:
            layouts, batches = LAYOUTS, BATCHES
            if not EVERY_CASE:
                main_case = arch == "d" and dtype == DTYPES[0]
                layouts = MOST_LAYOUTS if main_case else FEW_LAYOUTS if arch == "d" else LAYOUTS_OF_6_HEADS
                batches = MOST_BATCHES if main_case else FEW_BATCHES
            cases.append((arch, folder, dtype, heads, scale, layouts, batches))
    cases.sort(key=lambda case: -len(case[-2]))  # the longest first
    with ThreadPoolExecutor(2) as pool:  # a job that starts or ends leaves a core idle
        for line in pool.map(lambda case: compare(*case), cases):
            print(line, flush=True)


if __name__ == "__main__":
    main()
