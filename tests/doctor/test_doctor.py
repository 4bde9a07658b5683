#!/usr/bin/env python3
"""doctor names what is wrong, and a job goes on without the rank that is.

    test_doctor.py DITBATCH_FAULTY MPIRUN_SH WORK_DIR
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=64, height=64, steps=2, seed=i) for i in range(6)]
SICK = "throw:device:rank=1"


def job(name, toml=""):
    return FaultJob(PROGRAM, MPIRUN, WORK / name, WORK / "pipeline", RECORDS, toml)


def doctor(made, ranks, *more, **keywords):
    """-> its JSON: a list of ranks"""
    made.run(ranks, "--json", *more, command="doctor", **keywords)
    return json.loads(made.printed)["ranks"]


def sick_ranks(ranks):
    return [rank["rank"] for rank in ranks if rank["problems"]]


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    undisturbed = job("undisturbed")
    undisturbed.run(1)
    expected = undisturbed.hashes()

    healthy = job("healthy")
    ranks = doctor(healthy, 3)
    assert len(ranks) == 3 and not sick_ranks(ranks) and len({rank["gemm_sha256"] for rank in ranks}) == 1, ranks
    assert [rank["previous"] for rank in ranks] == [2, 0, 1] and all(rank["link_gb_s"] > 0 for rank in ranks), ranks
    assert not list((healthy.folder / "run").iterdir()), "doctor left something in the run folder"
    healthy.run(3, "--exclude-unhealthy")
    assert healthy.hashes() == expected

    ranks = doctor(healthy, 3, fault=SICK, expect=69)
    assert sick_ranks(ranks) == [1] and ranks[1]["problems"] == ["a planted error"], ranks
    assert ranks[2]["previous"] == 0, "the link around the sick rank was not tested"
    healthy.run(3, fault=SICK, expect=69, command="doctor")
    assert "1 unhealthy: rank 1 on" in healthy.printed, healthy.printed

    # A folder that is another one for rank 0.
    other = job("other")
    command = [MPIRUN, "1", PROGRAM, "doctor", healthy.folder / "job.toml", ":", "-n", "2", PROGRAM, "doctor", other.folder / "job.toml"]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "DITBATCH_FAULT": ""})
    assert ended.returncode == 69 and "1 unhealthy: rank 0 on" in ended.stdout and "in the run folder it finds" in ended.stdout, ended

    # A rank that stops.
    stopped = job("stopped", "[limits]\nphase_s = 3\n")
    errors, seconds = stopped.run(2, fault="stop:device:rank=1", expect=76, command="doctor")
    # Rank 0 waits for it, or is still at its own product when the other has been silent for long enough.
    assert ("stuck: rank 1 " in errors or "last seen: rank 1 " in errors) and seconds < 30, errors

    # Jobs without the sick ranks.
    without = job("without")
    errors, _ = without.run(3, "--exclude-unhealthy", fault=SICK)
    assert "going on without:" in errors and "rank 1 on" in errors, errors
    assert without.hashes() == expected
    [session] = (without.folder / "run" / "sessions").iterdir()
    assert len(json.loads((session / "session.json").read_text())["ranks"]) == 2
    replicas = job("replicas", "[mesh]\nulysses = 2\n")
    errors, _ = replicas.run(4, "--exclude-unhealthy", fault="throw:device:rank=0")
    assert "rank 0 on" in errors and "rank 3 on" in errors and "left over: a replica takes 2" in errors, errors
    assert replicas.hashes() == expected
    nobody = job("nobody", "[mesh]\nulysses = 2\n")
    errors, _ = nobody.run(2, "--exclude-unhealthy", fault=SICK, expect=69)
    assert "too few healthy ranks for a replica of 2" in errors, errors
    print("doctor: healthy, sick, stopped and misplaced ranks told apart; three jobs went on without sick ranks with the same bits")


if __name__ == "__main__":
    main()
