#!/usr/bin/env python3
"""A run folder on a file system that is too small, by one image or by half: exit 74 with the path, the bytes that are
needed and those that are free; what is published is right; and with more space the same job completes. So does taking images
out, which needs room for the shard that takes the old one's place.

    test_full_disk.py DITBATCH MPIRUN_SH WORK_DIR

DITBATCH_EVERY_CASE=1: by one image and by half for every size of a shard. Exit 77 (skipped) where a tmpfs cannot be mounted.
"""
import errno
import os
import pathlib
import re
import shutil
import subprocess
import sys

import h5py

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=256, height=256, steps=1, seed=i) for i in range(8)]
IMAGE_BYTES = 256 * 256 * 3
PAGE = 4096
BY_ONE, BY_HALF = "too small by one image", "too small by half"


def used_bytes(folder):
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def mount(folder, size, option="size"):
    """option: size, or remount,size"""
    folder.mkdir(exist_ok=True)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"{option}={size}", "tmpfs", folder], capture_output=True).returncode == 0


def verify(run):
    return subprocess.run([PROGRAM, "verify", run], capture_output=True, text=True)


def check_published(run, expected):
    found = 0
    for shard in (run / "shards").rglob("*.h5"):
        with h5py.File(shard) as file:
            for key, digest, image in zip(file["id"].asstr()[:], file["sha256"][:], file["images"][:]):
                assert image.any(), f"{key}: a row of zeros"
                assert bytes(digest).hex() == expected[key], f"{key}: other pixels"
                found += 1
    return found


def too_small(name, ranks, images_per_shard, size, expected):
    folder = WORK / "small"
    assert mount(folder, size)
    try:
        made = FaultJob(PROGRAM, MPIRUN, folder / "job", WORK / "pipeline", RECORDS, toml(images_per_shard))
        errors, _ = made.run(ranks, expect=74)
        run = made.folder / "run"
        assert str(run) in errors, f"{name}: no path\n{errors}"
        assert re.search(r"\d+ bytes are free", errors), f"{name}: free bytes not named\n{errors}"
        assert re.search(r"\d+ bytes are needed|write of \d+ bytes|the \d+ bytes of", errors), f"{name}: needed bytes not named\n{errors}"
        published = check_published(run, expected)
        report = verify(run)
        assert report.returncode == 75 and " 0 problems" in report.stdout, f"{name}: {report.stdout}{report.stderr}"
        assert mount(folder, 4 * size, "remount,size")
        made.run(ranks)
        assert check_published(run, expected) == len(expected) and made.hashes() == expected, name
        assert verify(run).returncode == 0, name
        return f"{name}, {ranks} ranks, {images_per_shard} images a shard: {published} of {len(expected)} were published, exit 74; completed with space"
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder):
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(PAGE))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error


def taken_out_without_space(made, folder, expected):
    """Nothing is lost: the image is still there, or it is gone and said to be gone."""
    run, ids = made.folder / "run", WORK / "ids.txt"
    ids.write_text("r1\n")
    fill(folder)
    prune = [PROGRAM, "prune", run, "--ids", ids]
    done = subprocess.run(prune, capture_output=True, text=True)
    assert done.returncode == 74 and re.search(r"\d+ bytes are free", done.stderr), done.stdout + done.stderr
    assert check_published(run, expected) == len(expected), "an image was lost on a full disk"
    (folder / "filler").unlink()
    done = subprocess.run(prune, capture_output=True, text=True)
    assert done.returncode == 0 and set(made.hashes()) == set(expected) - {"r1"}, done.stdout + done.stderr
    assert verify(run).returncode == 0


def toml(images_per_shard):
    return f"[output]\nflush_s = 0\nimages_per_shard = {images_per_shard}\n"


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    cases = {1: [BY_HALF], 3: [BY_ONE, BY_HALF], 100: [BY_ONE]}
    if os.environ.get("DITBATCH_EVERY_CASE"):
        cases = dict.fromkeys(cases, [BY_ONE, BY_HALF])
    for images_per_shard, names in cases.items():
        folder = WORK / "enough"
        if not mount(folder, "64m"):
            print("skipped: no right to mount a tmpfs here")
            return 77
        try:
            made = FaultJob(PROGRAM, MPIRUN, folder / "job", WORK / "pipeline", RECORDS, toml(images_per_shard))
            made.run(1)
            expected = made.hashes()
            needed = used_bytes(folder)
            shard_bytes = sum(path.stat().st_size for path in (made.folder / "run" / "shards").rglob("*.h5"))
            if images_per_shard == 3:
                taken_out_without_space(made, folder, expected)
        finally:
            subprocess.run(["umount", folder], check=True)
        assert len(expected) == len(RECORDS) and shard_bytes > 4 * IMAGE_BYTES, shard_bytes
        size = {BY_ONE: needed - shard_bytes // len(RECORDS), BY_HALF: needed // 2}
        for name in names:
            ranks = 2 if images_per_shard == 3 else 1
            print(too_small(name, ranks, images_per_shard, size[name] // PAGE * PAGE, expected), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
