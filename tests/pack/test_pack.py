#!/usr/bin/env python3
"""The packed program, moved, with no help from the build: it takes its own libraries, says its version and makes images.

    test_pack.py SOURCE_DIR WORK_DIR
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import h5py

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "support"))
from pipelines import copy_pipeline  # noqa: E402

SOURCE, WORK = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
# Nothing of the caller's: what a batch job on another machine would have at the least.
BARE = dict(PATH="/usr/bin:/bin", HOME=str(WORK), OMP_NUM_THREADS="1", LD_LIBRARY_PATH="", OMPI_ALLOW_RUN_AS_ROOT="1",
            OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl_vader_single_copy_mechanism="none")


def bare(*command, expect=0):
    done = subprocess.run([str(c) for c in command], env=BARE, cwd=WORK, capture_output=True, text=True, timeout=300)
    assert done.returncode == expect, f"{command}: exit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def pack():
    done = subprocess.run([SOURCE / "tools/pack.sh", WORK / "packed", "cpu"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"packed: [0-9.,]+[MG] in \d+ libraries", done.stdout), done.stdout
    again = subprocess.run([SOURCE / "tools/pack.sh", WORK / "packed", "cpu"], capture_output=True, text=True)
    assert again.returncode == 69 and "is not empty" in again.stderr, again.stderr
    moved = WORK / "elsewhere" / "moved"
    moved.parent.mkdir()
    os.rename(WORK / "packed", moved)
    return moved, done.stdout.strip()


def check_libraries(moved):
    """None comes from the build, its dependencies or the folder's old place; what is packed is taken from the pack."""
    packed = {path.name for path in (moved / "lib").iterdir()}
    assert {"libtorch_cpu.so", "libc10.so", "libutf8proc.so.2"} <= packed, packed
    assert not [name for name in packed if re.match(r"lib(c|m|stdc\+\+|mpi|cuda)\.so", name)], packed
    found = re.findall(r"(\S+) => (\S+)", bare("ldd", moved / "bin/ditbatch"))
    assert len(found) > len(packed) and "not" not in [path for _, path in found], found
    for name, path in found:
        path = pathlib.Path(path).resolve()
        assert (path.parent == moved / "lib") == (name in packed), f"{name} is taken from {path}"
        assert path.parent == moved / "lib" or SOURCE.resolve() not in path.parents, f"{name} is taken from {path}"
        assert ".deps" not in path.parts, f"{name} is taken from {path}"
    for file in [moved / "bin/ditbatch", *(moved / "lib").iterdir()]:
        paths = bare("patchelf", "--print-rpath", file).strip()
        assert paths == ("$ORIGIN/../lib" if file.parent.name == "bin" else "$ORIGIN"), f"{file}: {paths}"


def make_images(moved):
    copy_pipeline("a", "dev", "legacy", 1, WORK / "pipeline")
    records = [dict(id=f"r{i}", prompt=f"a fox {i}", width=96, height=96, steps=2, seed=i) for i in range(3)]
    (WORK / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (WORK / "job.toml").write_text('[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "pipeline"\ndtype = "fp32"\n'
                                   '[sampling]\nmax_sequence_length = 32\n[runtime]\ndevice = "cpu"\n')
    bare("mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", moved / "bin/ditbatch", "run", "job.toml")
    bare(moved / "bin/ditbatch", "verify", "run")
    found = []
    for shard in (WORK / "run/shards").rglob("*.h5"):
        with h5py.File(shard) as file:
            found += list(file["id"].asstr()[:])
    assert sorted(found) == ["r0", "r1", "r2"], found


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    moved, said = pack()
    version = bare(moved / "bin/ditbatch", "--version")
    assert version.startswith("ditbatch "), version
    assert (moved / "share/doc/ditbatch/README.md").exists() and (moved / "share/ditbatch/configs/demo.toml").exists()
    check_libraries(moved)
    make_images(moved)
    shutil.rmtree(moved)  # half a gigabyte
    print(said)


main()
