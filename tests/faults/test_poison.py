#!/usr/bin/env python3
"""A record that fails every time: tried again, written to failed.jsonl, exit 3, and all others are made. An error outside
any record ends the job with 70, also at rank 0, whose other threads still serve the queue.

    test_poison.py DITBATCH_FAULTY MPIRUN_SH WORK_DIR

DITBATCH_EVERY_CASE=1: every phase alone and in a batch, each followed into later jobs.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from safetensors.torch import load_file, save_file

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
EVERY_CASE = bool(os.environ.get("DITBATCH_EVERY_CASE"))
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=64, height=64, steps=2, seed=i) for i in range(8)]


def failures(made):
    path = made.folder / "run" / "failed.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def poisoned(expected, phase, ranks, mesh, batch_size=1):
    mesh = [*mesh, f"--set=runtime.batch_size={batch_size}"]
    made = FaultJob(PROGRAM, MPIRUN, WORK / f"{phase}-{ranks}-{len(mesh)}-batch{batch_size}", WORK / "pipeline", RECORDS, "[limits]\nretries = 2\n")
    fault = f"throw:{phase}:record=r3"
    errors, _ = made.run(ranks, *mesh, fault=fault, expect=3)
    assert (batch_size > 1) == bool(re.search(r"record (r\d\[0\], )+r\d\[0\]: a planted error", errors)), f"in a batch or not?\n{errors}"
    others = {key: value for key, value in expected.items() if key != "r3"}
    assert made.hashes() == others, "the others are not as they were"
    [failed] = failures(made)
    assert (failed["id"], failed["index"], failed["attempts"]) == ("r3", 0, 2) and "a planted error" in failed["error"], failed
    if phase != "denoise" and not EVERY_CASE:
        return  # what a later job does with it does not depend on the phase
    # Known by now: not tried again, and still not complete.
    made.run(ranks, *mesh, expect=3)
    assert made.hashes() == others
    # As many as allowed: complete.
    made.run(ranks, *mesh, "--set=limits.allow_failed=1")
    # Tried again, and made: no longer listed.
    made.run(ranks, *mesh, "--retry-failed")
    assert made.hashes() == expected and not failures(made)


def stopped_with_failures():
    """A stop leaves work, whatever failed before: the next job goes on."""
    records = [dict(record, id=f"{record['id']}-{n}", steps=20) for n in range(10) for record in RECORDS]
    made = FaultJob(PROGRAM, MPIRUN, WORK / "stopped", WORK / "pipeline", records, "[limits]\nretries = 0\n")
    process = made.start(1, fault="throw:denoise:record=r0-0")
    until = time.monotonic() + 60
    while not failures(made):
        assert process.poll() is None and time.monotonic() < until, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, f"exit {process.returncode}\n{errors}"
    assert "stopped by" in last_words(made)["cause"] and "r0-0[0]: a planted error" in errors, errors


def hopeless(toml, fault, reason, ranks=1):
    """Given up early: 3, with the reason, and most records never tried."""
    records = [dict(RECORDS[0], id=f"r{n}") for n in range(60)]
    made = FaultJob(PROGRAM, MPIRUN, WORK / f"hopeless-{ranks}-{len(toml)}", WORK / "pipeline", records, toml)
    errors, _ = made.run(ranks, fault=fault, expect=3)
    words = last_words(made)
    assert words["code"] == 3 and re.search(reason, words["cause"]) and f"cause: {words['cause']}" in errors, errors
    left = int(re.search(r"given up with (\d+) images left", words["cause"])[1])
    assert left >= 40 and "first image handed over" not in errors, errors


def change_weights(name, component, tensor, change):
    """A pipeline with other weights in the tensor whose name ends so: change(values)."""
    folder = WORK / name
    shutil.copytree(WORK / "pipeline", folder)
    [path] = (folder / component).glob("*.safetensors")
    tensors = load_file(path)
    change(next(values for name, values in tensors.items() if name.endswith(tensor)))
    save_file(tensors, path)
    path.chmod(0o644)
    return folder, path


def broken_weights():
    """Refused before the first image: the file, the tensor, how many, where."""
    def spoil(values):
        values[1, 2], values[2, 0] = float("nan"), float("inf")
    tensor = "x_embedder.weight"
    folder, path = change_weights("spoiled", "transformer", tensor, spoil)
    made = FaultJob(PROGRAM, MPIRUN, WORK / "weights", folder, RECORDS)
    errors, _ = made.run(2, "--set=model.dtype=bf16", expect=65)
    assert re.search(rf"cause: .*{path}: tensor {tensor}: 2 of \d+ values are NaN or infinity, the first at \[1, 2\]", errors), errors


def overflow():
    """Finite weights whose products are not: the stage that made the first infinity is named."""
    folder, _ = change_weights("overflow", "text_encoder", "final_layer_norm.weight", lambda values: values.fill_(3e38))
    made = FaultJob(PROGRAM, MPIRUN, WORK / "overflows", folder, RECORDS[:1], "[limits]\nretries = 0\n")
    errors, _ = made.run(2, "--set=mesh.ulysses=2", expect=3)
    [failed] = failures(made)
    assert failed["error"] == "the image holds NaN or infinity, first in what the text encoders made", failed
    tried_again_with_another_checkpoint(made)


def tried_again_with_another_checkpoint(made):
    """What failed is told and left out, until the checkpoint is another."""
    errors, _ = made.run(1, expect=3)
    assert "1 images failed before and are left out (" in errors and "start with --retry-failed" in errors, errors
    errors, _ = made.run(1, f"--set=model.path={WORK / 'pipeline'}")
    assert not failures(made) and len(made.hashes()) == 1, errors


def last_words(made):
    [end] = (made.folder / "run" / "sessions").glob("*/end.json")
    return json.loads(end.read_text())


def thrown_outside_records(expected, phase, ranks):
    made = FaultJob(PROGRAM, MPIRUN, WORK / f"outside-{phase}-{ranks}", WORK / "pipeline", RECORDS)
    errors, _ = made.run(ranks, fault=f"throw:{phase}:rank=0", expect=70)
    assert "a planted error" in errors, errors
    made.run(ranks)
    assert made.hashes() == expected


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    undisturbed = FaultJob(PROGRAM, MPIRUN, WORK / "undisturbed", WORK / "pipeline", RECORDS)
    undisturbed.run(1)
    expected = undisturbed.hashes()
    ulysses = ["--set=mesh.ulysses=2"]
    cases = [("denoise", 2, []), ("text", 2, ulysses)]
    # One of three, or of eight, spoils its batch, and is then alone.
    cases += [("decode", 1, [], 3), ("denoise", 2, ulysses, 8)]
    if EVERY_CASE:
        cases += [("text", 2, []), ("decode", 2, []), ("text", 1, [], 3), ("denoise", 1, [], 3)]
    with ThreadPoolExecutor(4) as pool:  # they wait more than they work
        list(pool.map(lambda case: poisoned(expected, *case), cases))
    print(f"{len(cases)} poisoned jobs: retried, recorded, exit 3; the other images and the retried one have the same bits")
    stopped_with_failures()
    hopeless("", "throw:denoise", r"the first \d+ attempts all failed: a planted error", ranks=2)
    hopeless("[limits]\nretries = 0\nabort_failed = 4\n", "throw:denoise", "5 records failed, more than .limits. abort_failed")
    broken_weights()
    overflow()
    print("stopped with failures: 75; hopeless: given up early, 3")
    outside = [("wait", 3), ("drain", 1)] + ([("wait", 1), ("drain", 3)] if EVERY_CASE else [])
    for phase, ranks in outside:
        thrown_outside_records(expected, phase, ranks)
    print(f"{len(outside)} jobs with an error outside any record: exit 70, completed afterwards")


if __name__ == "__main__":
    main()
