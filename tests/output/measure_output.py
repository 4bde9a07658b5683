#!/usr/bin/env python3
"""How fast finished images are verified and exported, beside Pillow: 2,000 noise images of 128x128, in one shard.

    measure_output.py MAKE_SHARDS DITBATCH WORK_DIR [IMAGES [SIDE]]

Prints seconds of wall and of processor time and MB/s of pixels, the best of three. A measurement, no test.
"""
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

MAKE_SHARDS, PROGRAM, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
IMAGES, SIDE = (int(sys.argv[4]) if len(sys.argv) > 4 else 2000), (int(sys.argv[5]) if len(sys.argv) > 5 else 128)
MEGABYTES = IMAGES * SIDE * SIDE * 3 / 1e6
PILLOW = """
import sys, pathlib, h5py
from PIL import Image
shard, out, part, parts = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
with h5py.File(shard) as file:
    images = file["images"]
    for row in range(part, len(images), parts):
        Image.fromarray(images[row]).save(out / f"{row}.png")
"""


def timed(name, commands, clean=lambda: None):
    best = None
    for _ in range(3):
        clean()
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
        assert all(process.wait() in (0, 65) for process in running), name  # 65: there is no session to compare with
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        taken = (wall, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)
        best = min(best or taken, taken)
    print(f"{name:28} {best[0]:7.2f} s wall, {best[1]:6.2f} s user, {best[2]:5.2f} s system, {MEGABYTES / best[0]:7.1f} MB/s", flush=True)


def bytes_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.png"))


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    rows = [dict(id=f"r{i:06}", index=0, width=SIDE, height=SIDE, value=i, noise=True, prompt="noise", seed=i, layout="", ranks=1)
            for i in range(IMAGES)]
    (WORK / "rows.json").write_text(json.dumps(rows))
    subprocess.run([MAKE_SHARDS, WORK / "run", WORK / "rows.json", "2", "1000000"], check=True, stdout=subprocess.DEVNULL)
    [shard] = (WORK / "run").glob("shards/*/*.h5")
    print(f"{IMAGES} images of {SIDE}x{SIDE}: {MEGABYTES:.0f} MB of pixels, {shard.stat().st_size / 1e6:.0f} MB on disk; {os.cpu_count()} cores")
    timed("ditbatch --version", [[PROGRAM, "--version"]])
    timed("ditbatch verify", [[PROGRAM, "verify", WORK / "run"]])
    exported, pillow = WORK / "exported", WORK / "pillow"
    timed("ditbatch export to png", [[PROGRAM, "export", WORK / "run", "--out", exported]], lambda: shutil.rmtree(exported, ignore_errors=True))

    def empty():
        shutil.rmtree(pillow, ignore_errors=True)
        pillow.mkdir()
    timed("two processes of Pillow", [[sys.executable, "-c", PILLOW, shard, pillow, str(part), "2"] for part in range(2)], empty)
    print(f"bytes of the files, ours to Pillow's: {bytes_of(exported) / bytes_of(pillow):.3f}")


if __name__ == "__main__":
    main()
