#!/usr/bin/env python3
"""A job reads every byte of its weights once, in any layout. Where a read fails, on the only rank or on one of several, the
job ends at once with 74 (65 where rank 0 checks the input) and names the file; nobody waits for the rank that failed.

    test_load.py DITBATCH MPIRUN_SH WORK_DIR FAIL_IO_SO

DITBATCH_EVERY_CASE=1: more layouts, and every component's reads on rank 0 of several, too.
"""
import json
import os
import pathlib
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK, SHIM = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve(), sys.argv[4]
EVERY_CASE = bool(os.environ.get("DITBATCH_EVERY_CASE"))
PIPELINE = WORK / "pipeline"
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=64, height=64, steps=1, seed=i) for i in range(2)]
LAYOUTS = [(1, ()), (3, ()), (2, ("--set=mesh.cfg=2",)), (4, ("--set=mesh.ulysses=2", "--set=mesh.cfg=2"))]
if EVERY_CASE:
    LAYOUTS += [(2, ()), (2, ("--set=mesh.ulysses=2",)), (4, ("--set=mesh.cfg=2",))]


def job(name):
    return FaultJob(PROGRAM, MPIRUN, WORK / name, PIPELINE, RECORDS)


def wanted_bytes():
    """Of all components; of the VAE, only the decoder's half."""
    total = 0
    for path in PIPELINE.rglob("*.safetensors"):
        data = path.read_bytes()
        header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
        for name, entry in header.items():
            if name == "__metadata__" or path.parent.name == "vae" and not name.startswith(("decoder.", "post_quant_conv.")):
                continue
            total += entry["data_offsets"][1] - entry["data_offsets"][0]
    return total


def read_once(ranks, mesh, expected):
    made = job(f"layout-{ranks}-{'-'.join(option.split('.')[1] for option in mesh)}")
    errors, _ = made.run(ranks, *mesh)
    [summary] = [json.loads(path.read_text()) for path in (made.folder / "run" / "sessions").glob("*/summary.json")]
    assert summary["weights_bytes"] == wanted_bytes(), (ranks, mesh, summary)
    assert summary["load_s"] > 0 and summary["gb_per_s"] > 0, summary
    assert re.search(r"loaded in [0-9.]+ s: .* by", errors), errors
    if summary["first_image_s"]:  # rank 0's replica had a record
        assert 0 < summary["first_image_s"] < 120 and "first image handed over" in errors, errors
    assert expected in (None, made.hashes()), (ranks, mesh)
    return made.hashes()


def reads(ranks, mesh, rank):
    """-> {call site: file}"""
    log = WORK / f"reads-{ranks}-{rank}"
    job(log.name + "-job").run(ranks, *mesh, settings=shim(DITBATCH_IO_LOG=log, DITBATCH_IO_RANK=rank))
    calls = [line.split(" ", 3) for line in log.read_text().splitlines()]
    sites = {site: file for _, operation, site, file in calls if operation == "pread" and file.endswith(".safetensors")}
    assert len(sites) == 8, sites  # each component: a sample while the input is checked, and its weights
    return sites


def shim(**more):
    return {"LD_PRELOAD": SHIM, "DITBATCH_IO_UNDER": PIPELINE, "DITBATCH_IO_READS": 1, **more}


def fails(site, file, ranks, mesh, rank, expected):
    """-> the exit code"""
    made = job(f"fails-{site}-{ranks}-{rank}")
    where = f"{file} on rank {rank} of {ranks}"
    errors, seconds = made.run(ranks, *mesh, settings=shim(DITBATCH_IO_FAIL=f"{site}:EIO", DITBATCH_IO_RANK=rank), expect=(65, 74))
    code = made.exit_code
    assert seconds < 30, f"{where}: {seconds:.0f} s"
    assert file in errors and "Input/output error" in errors and "then: " in errors, f"{where}: {errors}"
    made.wait_until_gone()
    if "/vae/" in file:  # the job after it has nothing to mend: one component is enough
        made.run(1)
        assert made.hashes() == expected, where
    return code


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, PIPELINE)
    expected = None
    for ranks, mesh in LAYOUTS:
        expected = read_once(ranks, mesh, expected)
    print(f"{len(LAYOUTS)} layouts read {wanted_bytes()} bytes each, and made the same images")
    codes, cfg = [], ("--set=mesh.cfg=2",)
    cases = [(1, (), 0), (2, cfg, 1)] + ([(2, cfg, 0)] if EVERY_CASE else [])
    for ranks, mesh, rank in cases:
        with ThreadPoolExecutor(2) as pool:  # jobs of this size mostly wait for their launcher
            codes += pool.map(lambda read: fails(*read, ranks, mesh, rank, expected), reads(ranks, mesh, rank).items())
    # 65: rank 0 checks the input for all, a sample of each of four components.
    assert codes.count(65) == 4 * sum(rank == 0 for _, _, rank in cases) and len(codes) == 8 * len(cases), codes
    print(f"{len(codes)} failing reads: every job ended at once, and the next made the same images")


if __name__ == "__main__":
    main()
