#!/usr/bin/env python3
"""The timeline of a job: valid, nested, and each rank's phases without a gap add up to what the summary says.

    test_timeline.py DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import pathlib
import shutil
import subprocess
import sys

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=64, height=64, steps=2, seed=i) for i in range(5)]
PHASES = {"start", "load", "text", "denoise", "decode", "hand_over", "wait", "drain"}
ROUNDING_US = 0.002  # of times written in nanoseconds


def timeline(session, *more, expect=0):
    done = subprocess.run([PROGRAM, "timeline", session, *more], capture_output=True, text=True, cwd=WORK)
    assert done.returncode == expect, done
    return done.stdout + done.stderr


def check_nested(spans):
    """On one row, two spans are apart or one holds the other."""
    open_until = []
    for span in sorted(spans, key=lambda span: (span["ts"], -span["dur"])):
        while open_until and open_until[-1] <= span["ts"] + ROUNDING_US:
            open_until.pop()
        end = span["ts"] + span["dur"]
        assert not open_until or end <= open_until[-1] + ROUNDING_US, span
        open_until.append(end)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    job = FaultJob(PROGRAM, MPIRUN, WORK / "job", WORK / "pipeline", RECORDS, "[mesh]\nulysses = 2\n")
    job.run(4)
    [session] = (job.folder / "run" / "sessions").iterdir()
    assert "trace.json" in timeline(session)
    events = json.loads((WORK / "trace.json").read_text())["traceEvents"]
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert set(names) == {0, 1, 2, 3} and all(f"rank {rank}: replica {rank // 2}" in names[rank] for rank in names), names
    threads = {(event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert threads[(0, 0)] == "main" and "writer" in threads.values(), threads
    spans = [event for event in events if event["ph"] == "X"]
    assert min(span["ts"] for span in spans) == 0 and all(span["dur"] >= 0 for span in spans)
    assert {(span["pid"], span["tid"]) for span in spans} == set(threads)
    for row in threads:
        check_nested([span for span in spans if (span["pid"], span["tid"]) == row])

    summary = json.loads((session / "summary.json").read_text())
    for rank in summary["ranks"]:
        phases = sorted((span for span in spans if (span["pid"], span["tid"]) == (rank["rank"], 0)), key=lambda span: span["ts"])
        assert {span["name"] for span in phases} <= PHASES
        for before, after in zip(phases, phases[1:]):
            assert abs(before["ts"] + before["dur"] - after["ts"]) <= ROUNDING_US, (before, after)
        # The trace is written within the last phase, which it does not hold; the others are the wall time.
        for name in PHASES - {"drain"}:
            seconds = sum(span["dur"] for span in phases if span["name"] == name) * 1e-6
            assert abs(seconds - rank["phase_s"][name]) < 1e-5, (name, seconds, rank)
        traced = sum(span["dur"] for span in phases) * 1e-6
        assert abs(traced + rank["phase_s"]["drain"] - rank["wall_s"]) < 0.05, (traced, rank)
    made = {span["args"]["record"] for span in spans if span["name"] == "denoise"}
    assert made == {record["id"] for record in RECORDS}, made

    timeline(session, "--out", WORK / "other.json")
    assert json.loads((WORK / "other.json").read_text())
    assert "no trace" in timeline(WORK, expect=74)
    print(f"{len(spans)} spans of 4 ranks: nested, without gaps, and as long as the wall")


if __name__ == "__main__":
    main()
