#!/usr/bin/env python3
"""Jobs that get SIGKILL, SIGINT, SIGTERM or SIGHUP at random instants, mpirun, any rank or all of them, several times, and
are resumed with another number of ranks until they are complete: no record lost, none doubled, every pixel as in the
undisturbed run, and of finished images no more made again than those of the last flush_s before SIGKILL, or of the last
second before another signal.

    test_kill.py DITBATCH_FAULTY MPIRUN_SH WORK_DIR [RUNS [SEED]]

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


def disturb(made, mpirun, rng):
    """-> the signal (None: nobody was there), whom it was sent to"""
    ranks = ranks_of(made)
    kind = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    choice = rng.random()
    if not ranks:
        return None, "nobody"
    if choice < 0.4 and kind == signal.SIGKILL:
        made.kill_all()
        return kind, "all"
    if choice < 0.6 and kind != signal.SIGKILL:
        targets, whom = ([mpirun.pid], "mpirun") if choice < 0.4 else (ranks.values(), "all ranks")
    else:
        rank = rng.choice(sorted(ranks))
        targets, whom = [ranks[rank]], f"rank {rank}"
    for pid in targets:
        try:
            os.kill(pid, kind)
        except ProcessLookupError:
            pass
    return kind, whom


def finished(log):
    """-> {record: when its image was made, by the last rank of its replica}"""
    times = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        when, records = line.split(" ")
        for record in records.split(","):
            times[record] = max(times.get(record, 0), int(when) * 1e-9)
    return times


def most_lost_s(starts, flush_s, story):
    """How long before a signal (not SIGKILL) an image was finished that had to be made again, at most. starts: for each, what it
    finished, and by which signal it was ended when."""
    most = 0
    for i, (made, kind, when) in enumerate(starts):
        again = {record for later, _, _ in starts[i + 1:] for record in later}
        lost_s = max((when - made[record] for record in again & made.keys()), default=0)
        # A writer with nothing to do looks at its clock once a second.
        assert lost_s < (flush_s + 2 if kind == signal.SIGKILL else 1), f"{lost_s:.2f} s of finished work lost\n{story}"
        if kind != signal.SIGKILL:
            most = max(most, lost_s)
    return most


def one_run(number, expected, length_s):
    """-> its story, most_lost_s()"""
    rng = random.Random(SEED * 100000 + number)
    flush_s = rng.choice((0, 0.2, 60))
    limits = f"[output]\nflush_s = {flush_s}\nimages_per_shard = {rng.choice((1, 3, 5, 100))}\n"
    batch = [f"--set=runtime.batch_size={rng.choice((1, 1, 2, 5))}"]
    made = FaultJob(PROGRAM, MPIRUN, WORK / f"run-{number}", WORK / "pipeline", RECORDS, limits)
    story, starts, errors = [f"flush_s {flush_s}"], [], ""
    for start in range(rng.randint(1, 4)):
        mesh = rng.choice(MESHES)
        ranks = rng.choice(sizes_of(mesh))
        log = made.folder / f"finished-{start}"
        process = made.start(ranks, *mesh, *batch, settings=dict(DITBATCH_FINISHED=log))
        # From the first instant on, now and then; mostly while images are made.
        wait_s = rng.random() * length_s if rng.random() < 0.3 else 0.45 + rng.random() * length_s
        try:
            errors += process.communicate(timeout=wait_s)[1]
            story.append(f"{ranks} ranks: done")
            starts.append((finished(log), None, time.time()))
        except subprocess.TimeoutExpired:
            when = time.time()
            kind, whom = disturb(made, process, rng)
            errors += process.communicate(timeout=60)[1]
            made.wait_until_gone(20)
            starts.append((finished(log), kind, when))
            name = kind.name if kind else "no signal"
            story.append(f"{ranks} ranks: {name} to {whom} after {wait_s:.2f} s, exit {process.returncode}, {len(made.hashes())} published")
    mesh = rng.choice(MESHES)
    ranks = rng.choice(sizes_of(mesh))
    log = made.folder / "finished-last"
    errors += made.run(ranks, *mesh, *batch, settings=dict(DITBATCH_FINISHED=log))[0]
    story.append(f"{ranks} ranks: completed")
    starts.append((finished(log), None, time.time()))
    assert "damaged" not in errors, f"run {number}: {errors}\n{story}"
    lost_s = most_lost_s(starts, flush_s, story)
    assert made.hashes() == expected, f"run {number}: lost, doubled or other images\n{story}"  # hashes() refuses doubles
    done = subprocess.run([PROGRAM, "verify", made.folder / "run"], capture_output=True, text=True)
    assert done.returncode == 0, f"run {number}: {done.stdout}{done.stderr}\n{story}"
    shutil.rmtree(made.folder)
    return "; ".join(story), lost_s


def main():
    for kind in (signal.SIGINT, signal.SIGHUP):
        signal.signal(kind, signal.SIG_DFL)  # ignored in a script's background job, and in all that it starts
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    undisturbed = [FaultJob(PROGRAM, MPIRUN, WORK / f"undisturbed-{i}", WORK / "pipeline", RECORDS) for i in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool, (WORK / "kill.log").open("w") as log:
        # As slow as those that are killed are, beside each other.
        length_s = max(seconds for _, seconds in pool.map(lambda made: made.run(2), undisturbed))
        expected = undisturbed[0].hashes()
        assert len(expected) == len(RECORDS)
        begun, most_s = time.monotonic(), 0
        for number, (story, lost_s) in enumerate(pool.map(lambda number: one_run(number, expected, length_s), range(RUNS))):
            most_s = max(most_s, lost_s)
            line = f"run {number}, seed {SEED}: {story}"
            print(line, flush=True)
            print(line, file=log, flush=True)
    print(f"{RUNS} runs, seed {SEED}, {time.monotonic() - begun:.0f} s: 0 records lost, 0 doubled, all hashes equal; of what was "
          f"finished {most_s:.2f} s and more before a signal that is not SIGKILL nothing was made again")


if __name__ == "__main__":
    main()
