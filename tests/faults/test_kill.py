#!/usr/bin/env python3
"""Jobs that are killed by SIGKILL at random instants, any rank or all of them, several times, and resumed with another
number of ranks until they are complete: no record lost, none doubled, every pixel as in the undisturbed run.

    test_kill.py DITBATCH MPIRUN_SH WORK_DIR [RUNS [SEED]]

DITBATCH_KILL_RUNS and DITBATCH_KILL_SEED count more than the arguments. What was killed when is in WORK_DIR/kill.log.
"""
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RUNS = int(os.environ.get("DITBATCH_KILL_RUNS") or (sys.argv[4] if len(sys.argv) > 4 else 20))
SEED = int(os.environ.get("DITBATCH_KILL_SEED") or (sys.argv[5] if len(sys.argv) > 5 else 1))
RECORDS = [dict(id=f"r{i:02}", prompt=f"a fox {i}", width=64, height=64 + 16 * (i % 2), steps=2, seed=i) for i in range(24)]
AT_ONCE = 2  # a job that was killed waits for its launcher
MESHES = ([], ["--set=mesh.ulysses=2"], ["--set=mesh.ring=3"], ["--set=mesh.cfg=2"], ["--set=mesh.ulysses=2", "--set=mesh.ring=3"])


def sizes_of(mesh):
    degree = 1
    for setting in mesh:
        degree *= int(setting[-1])
    return [ranks for ranks in range(1, 7) if ranks % degree == 0]


def ranks_of(made):
    """-> {rank: process}"""
    found = {}
    for pid in made.processes():
        try:
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", environment)
        if rank:
            found[int(rank[1])] = pid
    return found


def kill_somebody(made, rng):
    ranks = ranks_of(made)
    if not ranks:
        return "nobody"
    if rng.random() < 0.4:
        made.kill_all()
        return "all"
    rank = rng.choice(sorted(ranks))
    try:
        os.kill(ranks[rank], signal.SIGKILL)
    except ProcessLookupError:
        return "nobody"
    return f"rank {rank}"


def one_run(number, expected, length_s):
    rng = random.Random(SEED * 100000 + number)
    limits = f"[output]\nflush_s = {rng.choice((0, 0, 0.2))}\nimages_per_shard = {rng.choice((1, 3, 5, 100))}\n"
    batch = [f"--set=runtime.batch_size={rng.choice((1, 1, 2, 5))}"]
    made = FaultJob(PROGRAM, MPIRUN, WORK / f"run-{number}", WORK / "pipeline", RECORDS, limits)
    story = []
    for _ in range(rng.randint(1, 4)):
        mesh = rng.choice(MESHES)
        ranks = rng.choice(sizes_of(mesh))
        process = made.start(ranks, *mesh, *batch)
        # From the first instant on, now and then; mostly while images are made.
        wait_s = rng.random() * length_s if rng.random() < 0.3 else 0.45 + rng.random() * length_s
        try:
            process.communicate(timeout=wait_s)
            story.append(f"{ranks} ranks: done")
        except subprocess.TimeoutExpired:
            killed = kill_somebody(made, rng)
            process.communicate(timeout=60)
            made.wait_until_gone(20)
            story.append(f"{ranks} ranks: {killed} killed after {wait_s:.2f} s, {len(made.hashes())} published")
    mesh = rng.choice(MESHES)
    ranks = rng.choice(sizes_of(mesh))
    made.run(ranks, *mesh, *batch)
    story.append(f"{ranks} ranks: completed")
    assert made.hashes() == expected, f"run {number}: lost, doubled or other images\n{story}"  # hashes() refuses doubles
    done = subprocess.run([PROGRAM, "verify", made.folder / "run"], capture_output=True, text=True)
    assert done.returncode == 0, f"run {number}: {done.stdout}{done.stderr}\n{story}"
    shutil.rmtree(made.folder)
    return "; ".join(story)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    undisturbed = [FaultJob(PROGRAM, MPIRUN, WORK / f"undisturbed-{i}", WORK / "pipeline", RECORDS) for i in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool, (WORK / "kill.log").open("w") as log:
        # As slow as those that are killed are, beside each other.
        length_s = max(seconds for _, seconds in pool.map(lambda made: made.run(2), undisturbed))
        expected = undisturbed[0].hashes()
        assert len(expected) == len(RECORDS)
        begun = time.monotonic()
        for number, story in enumerate(pool.map(lambda number: one_run(number, expected, length_s), range(RUNS))):
            line = f"run {number}, seed {SEED}: {story}"
            print(line, flush=True)
            print(line, file=log, flush=True)
    print(f"{RUNS} runs, seed {SEED}, {time.monotonic() - begun:.0f} s: 0 records lost, 0 doubled, all hashes equal")


if __name__ == "__main__":
    main()
