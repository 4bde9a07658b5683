#!/usr/bin/env python3
"""The demo model under ditbatch: it draws what its prompts say, as diffusers does, on any number of ranks.

    test_demo.py DITBATCH MPIRUN_SH WORK_DIR [--records N] [--ranks R ...] [--compare N] [--all SHARE]

Makes the first records of jobs/shapes/demo.jsonl with every number of ranks, compares SHA-256, scores the
pictures, and compares some with diffusers' in float32.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import draw_with_diffusers  # noqa: E402
import score_shapes  # noqa: E402

MODEL = ROOT / "jobs" / "shapes" / "model"
MESHES = {1: (1, 1), 2: (2, 1), 4: (2, 2)}  # ranks -> cfg, ulysses


def run(args, ranks):
    """-> id: (sha256, metadata, pixels)"""
    folder = args.work / f"{ranks}ranks"
    cfg, ulysses = MESHES[ranks]
    settings = {"job.manifest": args.work / "manifest.jsonl", "job.run_dir": folder, "mesh.cfg": cfg, "mesh.ulysses": ulysses}
    done = subprocess.run([args.mpirun, str(ranks), args.program, "run", str(ROOT / "configs" / "demo.toml"),
                           *(f"--set={name}={value}" for name, value in settings.items())], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {}
    for shard in (folder / "shards").rglob("*.h5"):
        with h5py.File(shard) as file:
            for row, identifier in enumerate(file["id"].asstr()[:]):
                rows[identifier] = (bytes(file["sha256"][row]).hex(), json.loads(file["metadata"].asstr()[row]), file["images"][row])
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("mpirun")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--records", type=int, default=8)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--compare", type=int, default=2)
    parser.add_argument("--all", type=float, default=0.8, help="least share of pictures with everything right")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True)
    records = draw_with_diffusers.read_records(ROOT / "jobs" / "shapes" / "demo.jsonl")[:args.records]
    (args.work / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))

    made = {ranks: run(args, ranks) for ranks in args.ranks}
    first = made[args.ranks[0]]
    assert len(first) == len(records)
    for ranks, rows in made.items():
        assert {i: row[0] for i, row in rows.items()} == {i: row[0] for i, row in first.items()}, f"{ranks} ranks gave other bits"
    print(f"{len(first)} images, {args.ranks} ranks: all SHA-256 equal")

    scores = score_shapes.summarise([score_shapes.judge(truth, score_shapes.find_objects(pixels)) for _, truth, pixels in first.values()])
    print(json.dumps(scores))
    assert scores["all"] >= args.all, f"only {scores['all']} of the pictures are right, not {args.all}"

    pipeline = draw_with_diffusers.load(MODEL, "fp32", "cpu")
    differences = [int(numpy.abs(draw_with_diffusers.draw(pipeline, record).astype(int) - first[record["id"]][2]).max())
                   for record in records[:args.compare]]
    print(f"largest difference from diffusers of {len(differences)} images: {max(differences)} of 255")
    assert max(differences) <= 2, differences


if __name__ == "__main__":
    main()
