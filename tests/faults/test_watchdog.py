#!/usr/bin/env python3
"""A rank that is stopped, or whose main thread hangs, in every phase: named in time, exit 76, no process left, and the
next job goes on to the same bits. SIGUSR2 dumps and goes on; SIGUSR1 at any rank stops the job cleanly. The mesh
cfg_halves has two halves that do different work: a record without true CFG leaves one of them idle.

    test_watchdog.py DITBATCH_FAULTY MPIRUN_SH WORK_DIR one_branch|cfg_halves

DITBATCH_EVERY_CASE=1: every phase in both meshes, by more ranks.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK, MESH = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
EVERY_CASE = bool(os.environ.get("DITBATCH_EVERY_CASE"))
SILENCE_S = 3
LIMITS = [f"--set=limits.phase_s={SILENCE_S}", "--set=limits.start_s=6", "--set=limits.io_s=4"]
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=64, height=64 + 16 * (i % 2), steps=2, seed=i) for i in range(6)]


def job(name, records=RECORDS):
    return FaultJob(PROGRAM, MPIRUN, WORK / name, WORK / "pipeline", records, "[output]\nflush_s = 0\nimages_per_shard = 2\n")


def stuck(expected, kind, phase, rank, ranks, mesh, record="r2", records=RECORDS):
    """kind: stop (the whole process) or hang (its main thread alone)"""
    name = f"{kind}-{phase}-{rank}of{ranks}-{record}"
    made = job(name, records)
    in_image = phase in ("text", "denoise", "decode", "hand_over")
    # In most replicas a later record than the first: limits are known by then.
    errors, seconds = made.run(ranks, *LIMITS, *mesh, fault=f"{kind}:{phase}:rank={rank}" + (f":record={record}" if in_image else ""), expect=76, timeout=60)
    made.wait_until_gone()
    cause = re.search(r"cause: (.*)", errors)
    assert cause, f"{name}: nothing named\n{errors}"
    named = re.search(r"rank (\d+) \(replica \d+, host [^,]+, .*?\), phase (\w+)( of record (\S+),)?", cause[1])
    assert named and int(named[1]) == rank and named[2] == phase, f"{name}: {cause[1]}"
    if in_image:
        assert named[4] == record, f"{name}: {cause[1]}"
    if phase != "start":
        [end] = [json.loads(path.read_text()) for path in (made.folder / "run" / "sessions").glob("*/end.json")]
        assert (end["code"], end["cause"], end["rank"]) == (76, cause[1], rank) and end["host"], f"{name}: {end}"
        said = subprocess.run([PROGRAM, "status", made.folder / "run"], capture_output=True, text=True).stdout
        assert f"exit code 76: {cause[1]}" in said, f"{name}: {said}"
    if phase not in ("start", "load"):
        dumps = list((made.folder / "run" / "sessions").glob("*/dumps/*.txt"))
        alive = ranks - (kind == "stop")
        assert len(dumps) >= alive, f"{name}: {len(dumps)} dumps of {alive}"
        texts = [dump.read_text() for dump in dumps]
        assert all("stacks" in text and "last spans" in text for text in texts), f"{name}: {texts}"
        # A rank in the middle of a kernel without unwind tables shows no more than that kernel; one that waits shows all.
        assert any("run_job" in text for text in texts), f"{name}: {texts}"
    if expected:
        made.run(ranks, *mesh)
        assert made.hashes() == expected, f"{name}: other bits after the resume"
    return f"{name}: {seconds:.1f} s, {cause[1][:150]}"


def a_writer_that_stands_still():
    """While its main thread waits for work, which it may do for ever."""
    made = job("hang-fsync")
    errors, seconds = made.run(2, *LIMITS, fault="hang:fsync:rank=1", expect=76, timeout=60)
    made.wait_until_gone()
    assert re.search(r"cause: stuck: rank 1 \(.*host .*\), writing for .* without progress: fsync of /.*/partial-", errors), errors
    return seconds


def a_writer_that_is_slow():
    """Longer in drain than any limit, but each call ends: nobody is stuck, also not who waits for it."""
    made = job("slow-fsync", RECORDS[:2])
    _, seconds = made.run(2, *LIMITS, "--set=output.flush_s=60", "--set=mesh.ulysses=2", fault="slow:fsync")
    drained = sum(rank["phase_s"]["drain"] for rank in summary(made)["ranks"] if rank["rank"] == 0)
    assert drained > 4 and len(made.hashes()) == 2, f"in drain for {drained} s"
    return seconds


def summary(made):
    [path] = (made.folder / "run" / "sessions").glob("*/summary.json")
    return json.loads(path.read_text())


def a_rank_that_never_comes_to_mpi():
    made = job("hang-init")
    errors, seconds = made.run(2, "--set=limits.start_s=3", fault="hang:init:rank=1", expect=76, timeout=60)
    made.wait_until_gone()
    assert re.search(r"cause: MPI did not start within 3.0 s on rank 0 \(host .*, rank 0 of 2 by OMPI_COMM_WORLD_SIZE", errors), errors
    end = json.loads((made.folder / "run" / ".work" / "end.json").read_text())
    assert (end["code"], end["rank"]) == (76, 0), end
    return seconds


def dump_on_request(expected):
    made = job("usr2")
    process = made.start(2, "--set=mesh.ulysses=2", "--set=sampling.steps=2", fault="none:none")
    while not (made.folder / "run" / ".work").exists() or not list((made.folder / "run").glob("sessions/*/logs/*.log")):
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGUSR2)  # mpirun forwards it to all ranks
    process.communicate(timeout=60)
    assert process.returncode == 0 and made.hashes() == expected
    return len(list((made.folder / "run" / "sessions").glob("*/dumps/*.txt")))


def stop_signal_at(rank_of_signal):
    """Only that process gets it, as when a node is told to drain."""
    records = [dict(r, id=f"{r['id']}-{n}", steps=8) for n in range(6) for r in RECORDS]
    made = job(f"usr1-{rank_of_signal}", records)
    process = made.start(3)
    while not list((made.folder / "run").glob("shards/*/*.h5")):
        time.sleep(0.05)
    ranks = {}
    for pid in made.processes():
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        found = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", environment)
        if found:
            ranks[int(found[1])] = pid
    os.kill(ranks[rank_of_signal], signal.SIGUSR1)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, f"SIGUSR1 at rank {rank_of_signal}: exit {process.returncode}\n{errors}"
    before = len(made.hashes())
    assert 0 < before < len(records)
    made.run(2)
    assert len(made.hashes()) == len(records)


def one_branch():
    undisturbed = job("undisturbed")
    undisturbed.run(1)
    expected = undisturbed.hashes()
    assert len(expected) == len(RECORDS)
    ulysses, replicas = ["--set=mesh.ulysses=2"], []
    cases = [("stop", phase, 1, 2, ulysses) for phase in ("start", "denoise", "hand_over", "drain")]
    cases += [("stop", "wait", 2, 3, replicas), ("hang", "denoise", 1, 2, ulysses)]
    if EVERY_CASE:
        cases += [("stop", phase, 1, 2, ulysses) for phase in ("load", "text", "decode", "wait")]
        cases += [("stop", "denoise", 0, 2, ulysses), ("stop", "wait", 0, 2, replicas)]
        cases += [("hang", phase, 1, 2, ulysses) for phase in ("load", "decode")]
    run_cases(expected, cases)
    print(f"a writer that stands still: {a_writer_that_stands_still():.1f} s; slow: {a_writer_that_is_slow():.1f} s; "
          f"no MPI: {a_rank_that_never_comes_to_mpi():.1f} s", flush=True)
    print(f"SIGUSR2: {dump_on_request(expected)} dumps, and the job went on", flush=True)
    for rank in (0, 2):
        stop_signal_at(rank)
    print("SIGUSR1 at rank 0 and at rank 2: stopped cleanly, completed")


def cfg_halves():
    """Ranks 0 and 1 are the first half, 2 and 3 the second; r0 and r4 run both branches, the others the first alone."""
    records = [dict(r, negative_prompt="rain", true_cfg_scale=3.0) if i % 4 == 0 else r for i, r in enumerate(RECORDS)]
    mesh = ["--set=mesh.cfg=2", "--set=mesh.ulysses=2"]
    phases = [("start", 1), ("load", 3), ("text", 1), ("denoise", 1), ("decode", 3), ("hand_over", 1), ("wait", 3), ("drain", 2)]
    cases = [("hang", phase, rank, "r2") for phase, rank in phases]
    cases += [("hang", "denoise", 3, "r4"), ("stop", "denoise", 1, "r2")]
    if EVERY_CASE:
        cases += [("stop", phase, rank, "r2") for phase, rank in phases if phase != "denoise"]
        cases += [("hang", "denoise", 3, "r2"), ("hang", "denoise", 0, "r4"), ("hang", "text", 2, "r4"), ("hang", "start", 0, "r2"),
                  ("hang", "drain", 0, "r2")]
    run_cases(None, [(kind, phase, rank, 4, mesh, record, records) for kind, phase, rank, record in cases])


def run_cases(expected, cases):
    for case in cases:  # one by one: a job that starts would take the cores for seconds from ranks that yield
        print(stuck(expected, *case), flush=True)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    {"one_branch": one_branch, "cfg_halves": cfg_halves}[MESH]()


if __name__ == "__main__":
    main()
