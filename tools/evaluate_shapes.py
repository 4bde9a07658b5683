#!/usr/bin/env python3
"""What the demo model draws, by ditbatch and by diffusers, on one GPU: evaluate_shapes.py DITBATCH OUT_DIR

    [--model DIR] [--ranks 4] [--workers 4] [--limit N] [--device cuda|cpu]

Makes jobs/shapes/evaluation.jsonl in float32 with both, scores both sets of pictures, and compares them pixel by
pixel. Writes OUT_DIR/scores.json.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import numpy
from PIL import Image

import score_shapes

ROOT = pathlib.Path(__file__).resolve().parents[1]


def made_by_ditbatch(args, manifest):
    """-> id: pixels"""
    settings = {"job.manifest": manifest, "job.run_dir": args.out / "run", "model.path": args.model, "runtime.device": args.device,
                "runtime.share_gpu": "true"}
    subprocess.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(args.ranks), args.program, "run",
                    ROOT / "configs" / "shapes_evaluation.toml", *(f"--set={name}={value}" for name, value in settings.items())], check=True)
    return {key.rpartition("-")[0]: pixels for key, _, _, pixels in score_shapes.read_run(args.out / "run")}


def made_by_diffusers(args, manifest):
    """-> id: pixels"""
    folder = args.out / "diffusers"
    workers = [subprocess.Popen([sys.executable, ROOT / "tools" / "draw_with_diffusers.py", manifest, args.model, folder, "--device", args.device,
                                 "--part", f"{i}/{args.workers}"], env=dict(os.environ, OMP_NUM_THREADS="1")) for i in range(args.workers)]
    if any([worker.wait() for worker in workers]):
        sys.exit("diffusers failed (see above)")
    return {path.stem: numpy.asarray(Image.open(path)) for path in folder.glob("*.png")}


def scores_of(pictures, truths):
    results = {name: score_shapes.judge(truths[name], score_shapes.find_objects(pixels)) for name, pixels in pictures.items()}
    held_out = [result for name, result in results.items() if truths[name]["held_out"]]
    return {**score_shapes.summarise(list(results.values())), "held_out": score_shapes.summarise(held_out)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "jobs" / "shapes" / "model")
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    args.out, args.model = args.out.resolve(), args.model.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    lines = (ROOT / "jobs" / "shapes" / "evaluation.jsonl").read_text().splitlines()[:args.limit]
    manifest = args.out / "manifest.jsonl"
    manifest.write_text("".join(line + "\n" for line in lines))
    truths = {record["id"]: record["metadata"] for record in map(json.loads, lines)}

    ours, theirs = made_by_ditbatch(args, manifest), made_by_diffusers(args, manifest)
    differences = {name: int(numpy.abs(ours[name].astype(int) - theirs[name]).max()) for name in truths}
    report = {"ditbatch": scores_of(ours, truths), "diffusers": scores_of(theirs, truths),
              "pixels": {"records": len(differences), "within 1 of 255": sum(d <= 1 for d in differences.values()),
                         "within 2 of 255": sum(d <= 2 for d in differences.values()), "largest": max(differences.values())}}
    (args.out / "scores.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
