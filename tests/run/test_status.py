#!/usr/bin/env python3
"""What `status` says of a job that runs, was killed, was stopped, is limited, and is complete: from its files alone.

    test_status.py DITBATCH MPIRUN_SH WORK_DIR
"""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import h5py

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "faults")]
from fault_job import FaultJob, copy_pipeline  # noqa: E402
from reference import check_files  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RECORDS = [dict(id=f"r{i:02}", prompt=f"a fox {i}", width=256, height=256, steps=12, seed=i) for i in range(20)]

PHASES = ("start", "load", "text", "denoise", "decode", "hand_over", "wait", "drain")


def status(made, *more):
    done = subprocess.run([PROGRAM, "status", made.folder / "run", *more], capture_output=True, text=True)
    assert done.returncode == 0, done
    return done.stdout if more != ("--json",) else json.loads(done.stdout)


def wait_for(made, condition):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (made.folder / "run" / "sessions").exists() and condition(status(made, "--json")):
            return
        time.sleep(0.1)
    raise AssertionError(status(made))


def provenance_is_whole(model):
    """A copied shard alone says what made it."""
    assert model["name"] == "pipeline" and model["dtype"] == "fp32" and len(model["checkpoint"]) == 64, model
    assert model["scheduler"]["class"] == "FlowMatchEulerDiscreteScheduler" and "shift" in model["scheduler"], model
    encoders = {encoder["component"]: encoder["class"] for encoder in model["text_encoders"]}
    assert encoders == {"text_encoder": "CLIPTextModel", "text_encoder_2": "T5EncoderModel"}, model
    assert len({encoder["sha256"] for encoder in model["text_encoders"]}) == 2, model
    assert model["licence"] == {"license": "other", "license_name": "as-you-like"}, model
    files = {name: hashlib.sha256((WORK / "pipeline" / name).read_bytes()).hexdigest() for name in ("LICENSE.md", "README.md")}
    assert model["licence_files"] == files, model
    assert {"ditbatch", "git_revision", "LibTorch", "HDF5", "MPI"} <= set(model["software"]) and "torch" in model["hardware"], model


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    (WORK / "pipeline" / "LICENSE.md").write_text("Do as you like.\n")
    (WORK / "pipeline" / "README.md").write_text("---\nlicense: other\nlicense_name: 'as-you-like'\n---\n# A model\n")
    made = FaultJob(PROGRAM, MPIRUN, WORK / "job", WORK / "pipeline", RECORDS, "[output]\nflush_s = 0\nimages_per_shard = 2\n")
    assert subprocess.run([PROGRAM, "status", made.folder / "run"], capture_output=True).returncode == 74  # nothing is there

    made.run(2, "--limit", "4")
    said = status(made, "--json")
    assert (said["state"], said["images_published"], said["images_wanted"]) == (f"stopped with {len(RECORDS) - 4} left", 4, len(RECORDS)), said
    assert said["images_made_in_session"] == 4 and not said["jobs"], said

    job = made.start(2)
    wait_for(made, lambda now: now["session"] == 2 and len(now["ranks"]) == 2 and now["images_published"] > 4)
    said = status(made, "--json")
    assert said["state"] == "running" and said["images_wanted"] == len(RECORDS) and len(said["jobs"]) == 1, said
    assert all(rank["host"] and rank["phase"] in PHASES for rank in said["ranks"]), said
    assert said["jobs"][0]["pid"] in made.processes(), said
    text = status(made, "--ranks")
    assert text.startswith("running: ") and len(re.findall(r"^ +[01]  replica .* s  ", text, re.M)) == 2, text
    made.kill_all()
    job.communicate(timeout=60)
    check_files(made.folder / "run")
    # A dead job's lock stops moving; after some seconds nobody takes it for alive.
    wait_for(made, lambda now: now["state"] == "died")
    timeline = subprocess.run([PROGRAM, "timeline", made.folder / "run/sessions/0002", "--out", WORK / "trace.json"], capture_output=True, text=True)
    assert timeline.returncode == 0, timeline
    spans = [event["name"] for event in json.loads((WORK / "trace.json").read_text())["traceEvents"] if event["ph"] == "X"]
    assert "start" in spans, spans  # of the killed job
    published = status(made, "--json")["images_published"]
    assert published == len(made.hashes()) < len(RECORDS) and "gone; the next job takes over" in status(made), status(made)

    job = made.start(2)
    wait_for(made, lambda now: now["session"] == 3 and now["images_published"] > published)
    (made.folder / "run" / "STOP").touch()
    job.communicate(timeout=60)
    said = status(made, "--json")
    left = len(RECORDS) - len(made.hashes())
    assert said["state"] == (f"stopped with {left} left" if left else "complete"), said
    assert "STOP" in said["stop_reason"] or not left, said  # it may come to its end before it looks
    (made.folder / "run" / "STOP").unlink(missing_ok=True)
    made.run(1)
    said = status(made, "--json")
    assert said["state"] == "complete" and said["images_published"] == len(RECORDS) and said["images_failed"] == 0, said
    for shard in (made.folder / "run").glob("shards/*/*.h5"):
        with h5py.File(shard) as file:
            [model] = json.loads(file.attrs["models"])
            provenance_is_whole(model)
            assert set(file["model"].asstr()[:]) == {model["name"]}
    print("limited, running, died, stopped, complete: told apart")


if __name__ == "__main__":
    main()
