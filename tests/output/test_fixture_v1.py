#!/usr/bin/env python3
"""A run folder of version 1, as its program left it: resumed, verified, extended, exported, upgraded, and read by datasets.

    test_fixture_v1.py DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import pathlib
import shutil
import subprocess
import sys

import h5py

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "fixtures"), str(HERE.parents[1] / "tests" / "support")]
from make_run_v1 import make_fixture_pipeline  # noqa: E402
from reference import check_files, check_shards  # noqa: E402
from run_hashes import hashes  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
PUBLISHED = ["fox", "many", "many[1]", "many[2]", "wide"]  # and two late ones in the partial shard
LATE = [f"late{i}" for i in range(6)]
NEW_COLUMNS = {"model", "method", "identity", "bits", "tokens", "tokens_cut", "phase_s", "phash", "by_rank"}


def copy_of_fixture(name):
    """Its own folder, where paths are right again."""
    folder = WORK / name
    shutil.copytree(HERE / "fixtures" / "run_v1", folder)
    for toml in folder.rglob("run.toml"):
        toml.write_text(toml.read_text().replace("/fixture", str(folder)))
    (folder / "pipeline").symlink_to(WORK / "pipeline")
    return folder


def call(*arguments, expect=0):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)
    assert done.returncode == expect, f"{arguments}: exit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}"
    return done.stdout


def run(folder, *more, expect=0):
    done = subprocess.run([MPIRUN, "1", PROGRAM, "run", folder / "job.toml", *more], capture_output=True, text=True)
    assert done.returncode == expect, f"exit {done.returncode}, not {expect}\n{done.stderr}"


def versions(folder):
    """-> {size: versions of its shards}"""
    found = {}
    for shard in sorted((folder / "run" / "shards").rglob("*.h5")):
        with h5py.File(shard) as file:
            found.setdefault(shard.parent.name, set()).add(int(file.attrs["schema_version"]))
            assert NEW_COLUMNS.isdisjoint(file) == (file.attrs["schema_version"] == 1), list(file)
    return found


def loaded(folder, size):
    import datasets
    return datasets.load_dataset("hdf5", data_files=str(folder / "run/shards" / size / "*.h5"), split="train", cache_dir=str(WORK / "cache"))


def rows_agree(folder, expected):
    """datasets reads all shards of a size, with the columns of one, and the same pixels."""
    import hashlib
    import numpy
    found = {}
    for size in ("64x64", "96x48"):
        for row in loaded(folder, size):
            digest = hashlib.sha256(numpy.asarray(row["images"], dtype=numpy.uint8).tobytes()).hexdigest()
            found[row["id"] + (f"[{row['index']}]" if row["index"] else "")] = digest
            assert digest == bytes(row["sha256"]).hex()
    assert found == expected


def resumed_and_extended():
    folder = copy_of_fixture("resumed")
    before = hashes(folder / "run")
    assert sorted(before) == PUBLISHED
    run(folder)  # salvages the partial shard, makes late2 to late5
    made = hashes(folder / "run")
    assert sorted(made) == sorted(PUBLISHED + LATE), sorted(made)
    assert before.items() <= made.items(), "a published image changed"
    call("verify", folder / "run")
    # A new record of each size and one of a new size: old folders go on as they are, the new one is of today.
    with (folder / "manifest.jsonl").open("a") as manifest:
        for name, width, height in (("more-square", 64, 64), ("more-wide", 96, 48), ("tall", 48, 80)):
            manifest.write(json.dumps(dict(id=name, prompt="a clock", seed=3, width=width, height=height)) + "\n")
    run(folder)
    made = hashes(folder / "run")
    assert len(made) == 14 and versions(folder) == {"48x80": {2}, "64x64": {1}, "96x48": {1}}, versions(folder)
    call("verify", folder / "run")
    rows_agree(folder, {name: digest for name, digest in made.items() if name != "tall"})
    [tall] = loaded(folder, "48x80")
    check_files(folder / "run")
    assert check_shards(folder / "run") == {1, 2}
    assert tall["model"] == "pipeline" and tall["bits"] >= 1 and len(tall["phase_s"]) == 5 and tall["phash"], tall
    return folder, made


def exported(folder, made):
    call("export", folder / "run", "--format", "imagefolder", "--image", "png", "--out", folder / "export")
    lines = [json.loads(line) for file in (folder / "export").rglob("metadata.jsonl") for line in file.read_text().splitlines()]
    assert len(lines) == len(made)
    [tall] = [line for line in lines if line["id"] == "tall"]
    [fox] = [line for line in lines if line["id"] == "fox"]
    assert "timing_s" in fox and NEW_COLUMNS.isdisjoint(fox), fox
    assert len(tall["by_rank"]["timing_s"]) == 5 and "timing_s" not in tall and tall["model"] == "pipeline", tall


def upgraded(folder, made):
    import imagehash
    from PIL import Image
    records = {}
    for shard in (folder / "run/shards").rglob("*.h5"):
        with h5py.File(shard) as file:
            records.update({(i, n): bytes(d) for i, n, d in zip(file["id"].asstr()[:], file["index"][:], file["record_sha256"][:])})
    call("timeline", folder / "run/sessions/0001", "--out", folder / "trace.json")  # of the first sessions: HDF5
    said = call("upgrade", folder / "run")
    assert hashes(folder / "run") == made, "an upgrade changed pixels"
    assert set(map(tuple, versions(folder).values())) == {(2,)}, versions(folder)
    call("verify", folder / "run")
    rows_agree(folder, {name: digest for name, digest in made.items() if name != "tall"})
    for shard in (folder / "run/shards").rglob("*.h5"):
        with h5py.File(shard) as file:
            models = json.loads(file.attrs["models"])
            assert all({"name", "family", "checkpoint", "dtype"} <= set(model) for model in models) and models[0]["name"] == "pipeline", models
            assert models[0]["dtype"] == "fp32" and len(models[0]["checkpoint"]) == 64, models
            for i in range(len(file["id"])):
                assert records[file["id"].asstr()[i], file["index"][i]] == bytes(file["record_sha256"][i])
                assert format(file["phash"][i], "016x") == str(imagehash.phash(Image.fromarray(file["images"][i])))
                assert (file["phase_s"][i] == file["by_rank/timing_s"][i].reshape(-1, 5).max(axis=0)).all()
    assert "0 shards" in call("upgrade", folder / "run")
    run(folder)  # nothing to do: the records are known as what they were
    assert hashes(folder / "run") == made
    return said.strip()


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    make_fixture_pipeline(WORK / "pipeline")
    folder, made = resumed_and_extended()
    exported(folder, made)
    print("resumed, verified, extended, exported;", upgraded(folder, made))


if __name__ == "__main__":
    main()
