#!/usr/bin/env python3
"""Every call of the program that writes beneath the run folder fails once (EIO, EDQUOT, a failing fsync or rename): the
job never says that it is done when it is not, ends with 74, and the next one completes it with the same bits.

    test_io_errors.py DITBATCH MPIRUN_SH WORK_DIR FAIL_IO_SO

A run under the shim lists the calls; a call site then fails in a run of its own: the first of each operation on each kind of
file, of shards and their journals the last as well (DITBATCH_EVERY_CASE=1: every distinct site). DITBATCH_EVERY_CALL=1 makes every single call fail with
every error instead, which takes an hour.
"""
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import h5py

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK, SHIM = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve(), sys.argv[4]
EVERY_CALL = os.environ.get("DITBATCH_EVERY_CALL") == "1"
EVERY_CASE = EVERY_CALL or bool(os.environ.get("DITBATCH_EVERY_CASE"))
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=32, height=32, steps=1, seed=i) for i in range(4)]
TOML = "[output]\nflush_s = 0\nimages_per_shard = 3\n"
ERRORS = {"write": ("EIO", "EDQUOT"), "pwrite": ("EIO", "EDQUOT"), "ftruncate": ("EIO",), "fsync": ("EIO",), "rename": ("EIO", "EDQUOT")}
# What a job tells about itself. Its loss is warned of, and costs no image.
REPORTS = re.compile(r"/(\.work/lock.*\.next|\.work/lock.*|sessions/\d+/(metrics\.prom|ranks\.json|end\.json|logs/.*|dumps/.*).*)$")


class Situation:
    """A run folder in some state, and the job that goes on from there."""

    def __init__(self, name, state, more=(), expected=None):
        self.name, self.state, self.more, self.expected = name, state, more, expected

    def job(self, name, ranks=1):
        made = FaultJob(PROGRAM, MPIRUN, WORK / name, WORK / "pipeline", RECORDS, TOML)
        if self.state:
            shutil.copytree(self.state, made.folder / "run")
        return made


def shim(made, **more):
    return {"LD_PRELOAD": SHIM, "DITBATCH_IO_UNDER": made.folder / "run", **more}


def calls_of(situation):
    """-> [(number, operation, site, file)] of an undisturbed run"""
    made = situation.job(f"list-{situation.name}")
    log = WORK / f"{situation.name}.calls"
    made.run(1, *situation.more, settings=shim(made, DITBATCH_IO_LOG=log))
    assert made.hashes() == situation.expected
    calls = [line.split(" ", 3) for line in log.read_text().splitlines()]
    assert len(calls) > 20, f"{situation.name}: the shim saw {len(calls)} calls"
    return [(int(number), operation, site, file) for number, operation, site, file in calls]


def fails(situation, fail, operation, file, rank=None):
    """-> the exit code"""
    made = situation.job(f"fails-{situation.name}-{fail.replace(':', '-')}-{rank}")
    where = f"{situation.name}: {operation} of {file} fails with {fail}"
    ranks = 1 if rank is None else 2
    settings = shim(made, DITBATCH_IO_FAIL=fail, **({} if rank is None else {"DITBATCH_IO_RANK": rank}))
    errors, _ = made.run(ranks, *situation.more, settings=settings, expect=(0, 74))
    code = made.exit_code
    before = made.hashes()
    if code == 0:
        # When the folder of a report is what fails to sync, the warning says which report.
        lost = [file] if operation != "fsync" else [file, *re.findall(r"warning .*\bbytes of (\S+)", errors)]
        assert any(map(REPORTS.search, lost)) or rank is not None, f"{where}: exit 0\n{errors}"
        assert before == situation.expected, f"{where}: exit 0, and not everything is there"
    else:
        assert "cause: " in errors and "then: " in errors, f"{where}: {errors}"
        old = old_hashes(situation)
        for key, value in before.items():
            assert value in (situation.expected[key], old.get(key)), f"{where}: {key} is published with other pixels"
        made.run(1, *situation.more)
        assert made.hashes() == situation.expected, f"{where}: other images after the resume\n{errors}"
    shutil.rmtree(made.folder)
    return code


def old_hashes(situation):
    found = {}
    for shard in (situation.state / "shards").rglob("*.h5") if situation.state else ():
        with h5py.File(shard) as file:
            found.update({key: bytes(digest).hex() for key, digest in zip(file["id"].asstr()[:], file["sha256"][:])})
    return found


def some_of_each_kind(planned):
    kinds = {}
    for call in planned:
        _, operation, file = call
        kinds.setdefault((operation, re.sub(r"\d+", "N", file)), []).append(call)
    return [call for (_, file), calls in kinds.items() for call in calls[:1] + (calls[1:][-1:] if "/partial-" in file else [])]


def situations(expected):
    """fresh; left by a killed job (a partial shard, no index, a mended failure); an image whose record changed"""
    left = FaultJob(PROGRAM, MPIRUN, WORK / "left", WORK / "pipeline", RECORDS, TOML)
    left.run(1)
    shards = sorted((left.folder / "run" / "shards").rglob("*.h5"))
    partial = left.folder / "run" / ".work" / "partial-s1-r0-0.h5"
    shards[0].rename(partial)  # finished, not yet published
    partial.chmod(0o644)
    with h5py.File(partial, "r+") as file:
        file["sha256"][1] = file["sha256"][0]  # a row between good ones that does not verify
    (left.folder / "run" / "index.jsonl").unlink()
    for number in range(2):
        with (left.folder / "run" / "failed.jsonl").open("a") as file:
            file.write(json.dumps(dict(id=f"r{number}", index=0, attempts=3, error="once")) + "\n")
    changed = FaultJob(PROGRAM, MPIRUN, WORK / "changed", WORK / "pipeline", [dict(RECORDS[0], prompt="a wolf")] + RECORDS[1:], TOML)
    changed.run(1)
    return [Situation("fresh", None, expected=expected),
            Situation("left", left.folder / "run", ("--retry-failed",), expected),
            Situation("changed", changed.folder / "run", ("--replace-changed",), expected)]


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    undisturbed = FaultJob(PROGRAM, MPIRUN, WORK / "undisturbed", WORK / "pipeline", RECORDS, TOML)
    undisturbed.run(1)
    expected = undisturbed.hashes()
    assert len(expected) == len(RECORDS)
    begun, seen, codes, turn = time.monotonic(), set(), {0: 0, 74: 0}, itertools.count()
    for situation in situations(expected):
        calls = calls_of(situation)
        planned, shard_sites = [], []
        for number, operation, site, file in calls:
            if not EVERY_CALL and site in seen:
                continue
            seen.add(site)
            errors = ERRORS[operation]
            for error in errors if EVERY_CALL else (errors[next(turn) % len(errors)],):
                fail = f"#{number}:{error}" if EVERY_CALL else f"{site}:{error}"
                planned.append((fail, operation, file))
            if "/partial-" in file and situation.state is None:
                shard_sites.append((f"{site}:{errors[0]}", operation, file))
        if not EVERY_CASE:
            planned = some_of_each_kind(planned)
        # The same on a rank that is not the first: it aborts the others.
        elsewhere = [(*site, 1) for site in shard_sites[:: max(1, len(shard_sites) // 3)]]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:  # a job of this size mostly waits for its launcher
            for code in pool.map(lambda planned_call: fails(situation, *planned_call), planned + elsewhere):
                codes[code] += 1
        print(f"{situation.name}: {len(calls)} calls, {len(seen)} call sites so far, exit codes {codes}, {time.monotonic() - begun:.0f} s", flush=True)
    assert codes[74] > 20, codes
    print(f"{sum(codes.values())} failing calls of {len(seen)} call sites: exit codes {codes}; each completed afterwards with the same bits")


if __name__ == "__main__":
    main()
