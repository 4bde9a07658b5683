#!/usr/bin/env python3
"""Published shards with flipped bytes, records that changed under their ids, images that are taken out: found, named, and
exactly those made again, or never.

    test_repair.py DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy

from fault_job import FaultJob, copy_pipeline
from reference import check_files
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
    before = WORK / "kept"
    shutil.copytree(original, before)
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
        kept = list((original / ".work" / "withdrawn").glob("*"))
        report = tool("repair", original, expect=(0,)).stdout  # their images were made again
        assert not withdrawn or f"{len(kept)} withdrawn shards removed" in report or "repair --discard removes them" in report, report
        report = tool("verify", original, expect=(0,)).stdout
        assert " 0 problems" in report and "complete: each of the 12 images" in report, report
        shutil.rmtree(original)
        shutil.copytree(before, original)
    return (f"{FLIPS} flips: {located} located with shard, row and id, {shard_only} with shard or row (its id cannot be read), "
            f"{harmless} seen by the file's hash alone and harmless; {withdrawn} shards withdrawn, {remade} images made again")


def changed_records(made, expected):
    records = [dict(record) for record in RECORDS]
    records[3]["prompt"] = "a wolf"
    records[7]["steps"] = 3
    (made.folder / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    errors, _ = made.run(2, expect=65)
    assert "r03[0]: was made from another record or checkpoint (prompt was 'a fox 3', is 'a wolf')" in errors, errors
    assert "r07[0]: was made from another record or checkpoint (steps was 2, is 3)" in errors, errors
    report = tool("verify", made.folder / "run", expect=(65,)).stdout
    assert "r03[0]" in report and "r07[0]" in report, report
    errors, _ = made.run(3, "--replace-changed")
    now = made.hashes()
    assert {key for key in now if now[key] != expected[key]} == {"r03", "r07"} and set(now) == set(expected)
    assert " 2 images made" in errors, errors
    tool("verify", made.folder / "run", expect=(0,))
    assert not (made.folder / "run" / ".work" / "withdrawn").exists(), "images that were replaced are kept"
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
    assert errors.count("was made from another record or checkpoint (checkpoint was ") == 3, errors
    assert f"{len(before) - 3} more images were made from another record or checkpoint (ditbatch check --all" in errors, errors
    listed = tool("check", made.folder / "job.toml", "--all", expect=(65,)).stdout
    assert all(f"{key}[0]: was made from another record or checkpoint (checkpoint" in listed for key in before), listed
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


def doubled(made, expected):
    """A shard that stands twice, and one whose file is not the one that was published though every row fits its hashes."""
    run = made.folder / "run"
    first, other = shards(run)[0], shards(run)[-1]
    shutil.copy(first, first.with_name("000099.h5"))
    other.chmod(0o644)
    with h5py.File(other, "r+") as file:
        file.attrs["note"] = "written anew"
    said = tool("verify", run, expect=(74,)).stdout
    assert "complete:" not in said and "stand a second time" in said and "differs from the index" in said, said
    said = tool("repair", run, expect=(0,)).stdout
    assert "1 withdrawn, 1 rewritten without doubles" in said and "none is made again" in said and "the next run" not in said, said
    assert f"{other.relative_to(run)}: its bytes are not those that were published" in said, said
    assert not list((run / ".work" / "withdrawn").iterdir()), "a copy of what is sound elsewhere is kept"
    assert "complete:" in tool("verify", run, expect=(0,)).stdout and made.hashes() == expected
    (run / ".work" / "withdrawn" / "broken.h5").write_text("no shard")
    assert "1 withdrawn shards (8 bytes) stay" in tool("repair", run, expect=(0,)).stdout
    assert "withdrawn shards" not in tool("repair", run, "--discard", expect=(0,)).stdout
    assert not (run / ".work" / "withdrawn").exists()


def tree(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def exported(run):
    tool("export", run, "--format", "imagefolder", "--out", WORK / "out", expect=(0,))
    pictures = {path.name for path in (WORK / "out").rglob("*.png")}
    listed = [json.loads(line)["file_name"] for path in (WORK / "out").rglob("metadata.jsonl") for line in path.read_text().splitlines()]
    assert sorted(listed) == sorted(pictures), (listed, pictures)
    return pictures


def taken_out(made, expected):
    """An opt-out list, with a record that was not made yet and ids of another data set; made again; then by the manifest and
    by GPU."""
    run, ids, manifest = made.folder / "run", WORK / "ids.txt", made.folder / "manifest.jsonl"
    shutil.rmtree(run / "sessions" / "0999")
    lines = manifest.read_text()
    manifest.write_text(lines + json.dumps(dict(RECORDS[0], id="new", num_images=2)) + "\n")
    assert len(exported(run)) == len(RECORDS)
    (run / ".work" / "withdrawn").mkdir()
    shutil.copy(next((run / "shards").rglob("*.h5")), run / ".work" / "withdrawn" / "old.h5")
    # All of one shard, one image of another, one that nobody made yet.
    whole = [key for key, path in places(run).items() if path == places(run)["r01"]]
    gone = {*whole, "r02"}
    ids.write_text("\n".join([*whole, "r02[0]\r", "", "new", "r03[7]", "https://else.where/1", "r99"]))
    before = tree(run)
    said = tool("prune", run, "--ids", ids, "--dry-run", expect=(0,)).stdout
    assert f"before: 12 images in {len(shards(run))} shards; taken out: {len(gone)} in 2" in said and tree(run) == before, said
    assert "3 of the ids" in said and "r03[7]" in said and "r99" in said, said
    said = tool("prune", run, "--ids", ids, "--reason", "they asked", expect=(0,)).stdout
    assert f"after: {12 - len(gone)} images in" in said and f"{len(gone) + 2} images are kept from" in said, said
    assert set(made.hashes()) == set(expected) - gone and not (run / ".work" / "withdrawn").exists()
    assert "they asked" in (run / "taken_out.jsonl").read_text()
    said = tool("verify", run, expect=(0,)).stdout
    assert "complete: each of the 14 images" in said and f"or taken out ({len(gone) + 2})" in said, said
    assert f"complete: {12 - len(gone)} of 12 images published, 0 failed, {len(gone) + 2} taken out" in tool("status", run).stdout
    assert f"not made: {len(gone) + 2}\n" in tool("check", made.folder / "job.toml", expect=(0,)).stdout
    assert exported(run) == {f"{key}-0.png" for key in expected if key not in gone}
    assert f"nothing to do: all {12 - len(gone)} images are published, {len(gone) + 2} taken out" in made.run(1)[0]

    tool("prune", run, "--ids", ids, "--remake", expect=(0,))
    process = made.start(2)
    while not (run / ".work" / "lock").exists():
        time.sleep(0.01)
    held = made.processes()
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    assert "is in use" in tool("prune", run, "--ids", ids, expect=(65,)).stderr
    for pid in held:
        os.kill(pid, signal.SIGCONT)
    assert process.wait() == 0
    assert {key: value for key, value in made.hashes().items() if "new" not in key} == expected
    assert not (run / "taken_out.jsonl").exists()

    manifest.write_text(lines)
    last = max(int(path.name) for path in (run / "sessions").iterdir() if path.name.isdigit())
    assert "taken out: 2 in" in tool("prune", run, "--not-in-manifest", expect=(0,)).stdout
    assert made.hashes() == expected and "or taken out" not in tool("verify", run, expect=(0,)).stdout
    session = run / "sessions" / f"{last:04}" / "session.json"
    told = json.loads(session.read_text())
    told["ranks"][1]["gpu_uuid"] = "GPU-1"
    session.write_text(json.dumps(told))
    by_gpu = [key for key, where in makers(run).items() if where == (last, told["ranks"][1]["replica"])]
    assert by_gpu and set(by_gpu) < gone, (by_gpu, makers(run))
    assert "known are: GPU-1" in tool("prune", run, "--gpu", "GPU-2", expect=(65,)).stderr
    assert "taken out: 0 in" in tool("prune", run, "--gpu", "GPU-1", "--since", "2199-01-01", expect=(0,)).stdout
    tool("prune", run, "--gpu", "GPU-1", "--session", last, "--since", "2020-01-01T00:00+01:00", "--remake", expect=(0,))
    assert set(made.hashes()) == set(expected) - set(by_gpu)
    made.run(1)
    assert made.hashes() == expected
    session.unlink()
    (run / "sessions" / f"{last + 1:04}" / "session.json").write_text(json.dumps(told))
    assert "does not say which GPU made" in tool("prune", run, "--gpu", "GPU-1", expect=(65,)).stderr
    tool("prune", run, expect=(64,))


def shards(run):
    return sorted((run / "shards").rglob("*.h5"))


def rows(run, *names):
    for path in shards(run):
        with h5py.File(path) as file:
            for row, key in enumerate(file["id"].asstr()):
                yield key, path, *(int(file[name][row]) for name in names)


def places(run):
    return {key: path for key, path in rows(run)}


def makers(run):
    return {key: (session, replica) for key, _, session, replica in rows(run, "session", "replica")}


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
    doubled(made, expected)
    taken_out(made, expected)
    now = changed_records(made, expected)
    replaced_weights(made, now)
    changed_config(made, made.hashes())
    check_files(made.folder / "run")
    print("missing images, changed records, replaced weights, a changed config: named; exactly those made again; 10 images made again alike")


if __name__ == "__main__":
    main()
