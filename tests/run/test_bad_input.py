#!/usr/bin/env python3
"""A manifest of 100,000 lines with 50 planted errors: all are reported with their lines, exit 65, nothing is written.

    test_bad_input.py DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "support"))
from pipelines import copy_pipeline  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])

# A broken line for record i, and what must be said about it.
ERRORS = [
    (lambda i: f'{{"id":"r{i}","prompt":"x","widht":512}}', "did you mean 'width'"),
    (lambda i: f'{{"id":"r{i}","prompt":"x","width":513}}', "use 512 or 528"),
    (lambda i: '{"id":"bad id","prompt":"x"}', "id: "),
    (lambda i: f'{{"id":"r{i}"}}', "prompt: missing"),
    (lambda i: '{"id":"first","prompt":"again"}', "line 1"),
    (lambda i: f'{{"id":"r{i}","prompt":"x","seed":-1}}', "seed: "),
    (lambda i: f'{{"id":"r{i}","prompt":"x","steps":2.5}}', "steps: "),
    (lambda i: f'{{"id":"r{i}","prompt":"x"', "JSON"),
    (lambda i: f'{{"id":"r{i}","prompt":"x","guidance_scale":NaN}}', "JSON"),
    (lambda i: f'{{"id":"r{i}","prompt":"\\ud800"}}', "surrogate"),
]


def ranks_that_differ():
    """A file of its own for each rank, and a run_dir from a variable: told at the start, nothing is written."""
    text = '[job]\nname = "job"\nmanifest = "one.jsonl"\nrun_dir = "{}"\nseed = {}\n[model]\npath = "pipeline"\n[runtime]\ndevice = "cpu"\n'
    (WORK / "one.jsonl").write_text('{"id":"one","prompt":"x","width":64,"height":64,"steps":1}\n')
    for rank in (0, 1):
        (WORK / f"seed-{rank}.toml").write_text(text.format("run", rank))
        (WORK / f"folder-{rank}.toml").write_text(text.format("run-${OMPI_COMM_WORLD_RANK}", 0))
    before = sorted(p.name for p in WORK.iterdir())
    for kind, key in (("seed", "`seed = 1`"), ("folder", 'run-1"`')):
        shell = f"exec {PROGRAM} run {WORK}/{kind}-$OMPI_COMM_WORLD_RANK.toml"
        done = subprocess.run([MPIRUN, "2", "sh", "-c", shell], capture_output=True, text=True)
        assert done.returncode == 65 and "rank 1 on " in done.stderr and key in done.stderr, done
        assert sorted(p.name for p in WORK.iterdir()) == before, "something was written"


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    copy_pipeline("a", "dev", "legacy", 1, WORK / "pipeline")
    rng = random.Random(4)
    lines = ['{"id":"first","prompt":"x"}']
    lines += [json.dumps(dict(id=f"r{i}", prompt=f"a photo of thing {i}", seed=i, width=512, height=384, tags=["a"], metadata=dict(n=i)))
              for i in range(1, 100_000)]
    planted = {}
    for number, i in enumerate(sorted(rng.sample(range(1, 100_000), 50))):
        make, says = ERRORS[number % len(ERRORS)]
        lines[i], planted[i + 1] = make(i), says
    (WORK / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    (WORK / "job.toml").write_text('[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "pipeline"\n[runtime]\ndevice = "cpu"\n')
    before = sorted(p.name for p in WORK.iterdir())
    for command in ([PROGRAM, "check", WORK / "job.toml", "--all"], [MPIRUN, "4", PROGRAM, "run", WORK / "job.toml"]):
        begin = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - begin
        assert done.returncode == 65, done.stderr[:2000]
        found = {}
        for line in done.stderr.splitlines():
            if match := re.match(r".*manifest\.jsonl:(\d+):(\d+): (.*)", line):
                found[int(match[1])] = match[3]
        more = [int(count) for count in re.findall(r"manifest\.jsonl: (\d+) more of these \(check --all", done.stderr)]
        assert set(found) <= set(planted) and len(found) + sum(more) == len(planted), (set(planted) ^ set(found), more)
        assert bool(more) == ("--all" not in command), more
        for line, told in found.items():
            assert planted[line] in told, f"line {line}: {told}"
        assert sorted(p.name for p in WORK.iterdir()) == before, "something was written"
        print(f"{command[-1]}: 50 of 50 errors with their lines in {seconds:.2f} s")
    ranks_that_differ()


if __name__ == "__main__":
    main()
