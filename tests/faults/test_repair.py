#!/usr/bin/env python3
"""Published shards with flipped bytes, and records that changed under their ids: found, named, and exactly those made
again.

    test_repair.py DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import h5py
import numpy

from fault_job import FaultJob, copy_pipeline
from run_hashes import columns

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RECORDS = [dict(id=f"r{i:02}", prompt=f"a fox {i}", width=192, height=192 + 16 * (i % 2), steps=2, seed=i) for i in range(12)]
FLIPS = int(os.environ.get("DITBATCH_FLIPS", "10"))
TOGETHER = 10
TEXT = "[output]\nflush_s = 0\nimages_per_shard = 4\n"


def tool(*arguments, expect=None):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert expect is None or done.returncode in expect, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def everything(run):
    """All that readers see, by image; None for what cannot be read."""
    found = {}
    for path in sorted((run / "shards").rglob("*.h5")):
        with h5py.File(path) as file:
            for row in range(len(file["id"])):
                key = (file["id"].asstr()[row], int(file["index"][row]))
                found[key] = {name: numpy.array(file[name][row]).tobytes() if file[name].dtype != object else file[name][row]
                              for name in columns(file) if name != "images"} | {"images": file["images"][row].tobytes()}
                found[key] = {name: value.tolist() if isinstance(value, numpy.ndarray) else value for name, value in found[key].items()}
    return found


def flip(path, offset):
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << (offset % 8))]))
    os.chmod(path, 0o444)


def flipped_bytes(made, expected, columns):
    """Each flip alone: `verify` names the shard and, where a row is hit, the row and its id; or all that readers see is
    unchanged. Then ten flips together: `repair` and a run bring the same bits back, and `verify` is content."""
    rng = random.Random(3)
    original = made.folder / "run"
    kept = WORK / "kept"
    shutil.copytree(original, kept)
    flips, located, harmless, shard_only = [], 0, 0, 0
    for number in range(FLIPS):
        path = rng.choice(sorted((original / "shards").rglob("*.h5")))
        offset = rng.randrange(path.stat().st_size)
        flips.append((path.relative_to(original), offset))
        flip(path, offset)
        where = f"flip {number} at {offset} of {path.name}"
        report = tool("verify", original, expect=(74,)).stdout
        name = re.escape(str(path.relative_to(original)))
        assert re.search(name, report), f"{where}: not named\n{report}"
        if re.search(rf"{name}: row \d+ \(.*\[\d+\]\): ", report):
            located += 1
        elif re.search(rf"{name}: (row \d+: cannot be read|cannot be opened|is not marked|its columns|stands in the folder)", report):
            shard_only += 1  # no id can be read any more
        else:
            assert everything(original) == columns, f"{where}: readers see something else, and only the file's hash tells\n{report}"
            harmless += 1
        flip(path, offset)
    assert tool("verify", original, expect=(0,))
    remade, withdrawn = 0, 0
    for first in range(0, FLIPS, TOGETHER):
        for path, offset in flips[first : first + TOGETHER]:
            flip(original / path, offset)
        report = tool("repair", original, expect=(0,)).stdout
        withdrawn += int(re.search(r"(\d+) withdrawn", report)[1])
        errors, _ = made.run(2)
        assert made.hashes() == expected, f"flips {first} to {first + TOGETHER}: other images after the repair\n{report}"
        again = re.search(r": (\d+) images made", errors)
        remade += int(again[1]) if again else 0
        report = tool("verify", original, expect=(0,)).stdout
        assert " 0 problems" in report and "complete: each of the 12 images" in report, report
        shutil.rmtree(original)
        shutil.copytree(kept, original)
    return (f"{FLIPS} flips: {located} located with shard, row and id, {shard_only} with shard or row (its id cannot be read), "
            f"{harmless} seen by the file's hash alone and harmless; {withdrawn} shards withdrawn, {remade} images made again")


def changed_records(made, expected):
    records = [dict(record) for record in RECORDS]
    records[3]["prompt"] = "a wolf"
    records[7]["steps"] = 3
    (made.folder / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    errors, _ = made.run(2, expect=65)
    listed = set(re.findall(r"record (r\d+)", errors)) or set(re.findall(r"(r\d\d)", errors))
    assert listed == {"r03", "r07"}, errors
    report = tool("verify", made.folder / "run", expect=(65,)).stdout
    assert "r03[0]" in report and "r07[0]" in report, report
    errors, _ = made.run(3, "--replace-changed")
    now = made.hashes()
    assert {key for key in now if now[key] != expected[key]} == {"r03", "r07"} and set(now) == set(expected)
    assert " 2 images made" in errors, errors
    tool("verify", made.folder / "run", expect=(0,))
    return now


def replaced_weights(made, before):
    """The same architecture trained again: same names, shapes and file size."""
    weights = next((WORK / "pipeline" / "transformer").glob("*.safetensors"))
    content = weights.read_bytes()
    weights.write_bytes(content)  # the same bytes at another time: the same checkpoint
    assert "nothing to do" in made.run(2)[0]
    copy_pipeline("d", "dev", "json", 6, WORK / "other")
    other = next((WORK / "other" / "transformer").glob("*.safetensors")).read_bytes()
    assert len(other) == len(content) and other != content
    weights.write_bytes(other)
    refuses_and_replaces(made, before)


def changed_config(made, before):
    config = WORK / "pipeline" / "scheduler" / "scheduler_config.json"
    changed = json.loads(config.read_text())
    changed["shift"] = changed.get("shift", 1.0) + 0.5
    changed["use_dynamic_shifting"] = False
    config.write_text(json.dumps(changed))
    refuses_and_replaces(made, before)


def refuses_and_replaces(made, before):
    errors, _ = made.run(2, expect=65)
    assert all(f"{key}[0]: was made from another record or checkpoint" in errors for key in before), errors
    assert made.hashes() == before, "a refused job changed something"
    made.run(2, "--replace-changed")
    now = made.hashes()
    assert set(now) == set(before) and all(now[key] != before[key] for key in before)
    tool("verify", made.folder / "run", expect=(0,))


def regenerated(made, ranks):
    done = subprocess.run([MPIRUN, str(ranks), PROGRAM, "verify", made.folder / "run", "--regenerate", "5"], capture_output=True, text=True)
    assert done.returncode == 0 and "5 images made again, 0 with other bits" in done.stdout, done.stdout + done.stderr


def blackened(made):
    """The hashes in a shard are not believed: pixels are compared."""
    run, kept = made.folder / "run", WORK / "before-black"
    shutil.copytree(run, kept)
    shard = sorted((run / "shards").rglob("*.h5"))[0]
    shard.chmod(0o644)
    with h5py.File(shard, "r+") as file:
        file["images"][0] = numpy.zeros_like(file["images"][0])
    tool("compare", kept, run, expect=(1,))
    done = subprocess.run([MPIRUN, "2", PROGRAM, "verify", run, "--regenerate", "12"], capture_output=True, text=True)
    assert done.returncode == 74 and "12 images made again, 1 with other bits" in done.stdout, done.stdout + done.stderr
    shutil.rmtree(run)
    shutil.copytree(kept, run)
    shutil.rmtree(run / "shards")
    assert "nothing is published" in tool("verify", run, "--regenerate", "3", expect=(74,)).stderr
    shutil.rmtree(run)
    kept.rename(run)


def missing_images(made):
    shard = sorted((made.folder / "run" / "shards").rglob("*.h5"))[0]
    shard.unlink()
    report = tool("verify", made.folder / "run", expect=(74,)).stdout
    assert "is missing (the index lists it" in report and "of the 12 images" in report, report
    tool("repair", made.folder / "run", expect=(0,))
    for begun in (None, "sessions/0999/logs", "sessions/notes.txt"):  # a session killed in its first second, a foreign name
        if begun:
            (made.folder / "run" / begun).mkdir(parents=True)
        report = tool("verify", made.folder / "run", expect=(75,)).stdout
        assert "4 of the 12 images" in report or "2 of the 12 images" in report, report
    made.run(1)
    tool("verify", made.folder / "run", expect=(0,))


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    made = FaultJob(PROGRAM, MPIRUN, WORK / "job", WORK / "pipeline", RECORDS, TEXT)
    made.run(2)
    expected, columns = made.hashes(), everything(made.folder / "run")
    assert len(expected) == len(RECORDS)
    print(flipped_bytes(made, expected, columns), flush=True)
    for ranks in (1, 2):
        regenerated(made, ranks)
    blackened(made)
    missing_images(made)
    now = changed_records(made, expected)
    replaced_weights(made, now)
    changed_config(made, made.hashes())
    print("missing images, changed records, replaced weights, a changed config: named; exactly those made again; 10 images made again alike")


if __name__ == "__main__":
    main()
