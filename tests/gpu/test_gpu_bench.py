#!/usr/bin/env python3
"""A study on a GPU with its kernels recorded, alone and with two ranks that share the card: floor, power and profile
are there and consistent.

    test_gpu_bench.py DITBATCH MPIRUN_SH WORK_DIR PIPELINE
"""
import json
import pathlib
import shutil
import subprocess
import sys

PROGRAM, MPIRUN, WORK, PIPELINE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve(), pathlib.Path(sys.argv[4]).resolve()
STEPS, BATCH = 4, 2


def study(name, ranks, layouts):
    config = WORK / f"{name}.toml"
    config.write_text(f'[job]\nmanifest = "none.jsonl"\nrun_dir = "run"\n[model]\npath = "{PIPELINE}"\ndtype = "bf16"\n'
                      f'[sampling]\nmax_sequence_length = 64\n[runtime]\ndevice = "cuda"\nshare_gpu = true\n[bench]\nlayouts = {layouts}\n'
                      f'sizes = ["512x512"]\nsteps = {STEPS}\nbatch_sizes = [{BATCH}]\nrepetitions = 6\nwarm_up_s = 1\n')
    done = subprocess.run([MPIRUN, str(ranks), PROGRAM, "bench", config, "--out", WORK / name, "--profile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return json.loads((WORK / name / "bench.json").read_text())["cases"], done.stdout


def check_profile(profile, has_exchange):
    image, floor = profile["image"], profile["floor"]
    classes = image["classes"]
    assert 0 < image["busy_ms"] <= image["wall_ms"] and 0 < image["denoise_ms"] < image["wall_ms"], image
    for name in ("gemm", "attention", "elementwise", "decode"):
        assert classes[name]["ms"] > 0 and classes[name]["count"] >= STEPS * BATCH, (name, classes)
    assert (classes["exchange"]["count"] > 0) == has_exchange, classes
    assert all(gap["ms"] >= 0 and 0 <= gap["at_ms"] <= image["wall_ms"] for gap in image["longest_gaps"])
    assert floor["classes"]["gemm"]["ms"] > 0 and floor["classes"]["attention"]["ms"] > 0, floor
    assert floor["classes"]["exchange"]["count"] == floor["classes"]["decode"]["count"] == 0, floor


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    cases, text = study("alone", 1, "[{}]")
    [rank] = cases[0]["ranks"]
    check_profile(rank["profile"], has_exchange=False)
    assert len(rank["batches"]) == 6 and len(rank["floor_s"]) == 5 and 0 < cases[0]["summary"]["floor_fraction"], cases[0]["summary"]
    power = rank["power"]
    assert power["clock_mhz"] > 0 and power["power_w"] > 0 and power["samples"] > 0 and power["energy_j"] >= 0, power
    assert rank["peak_memory_bytes"] > 0 and "waiting_s" not in rank
    assert "kernels of one image" in text and "ceiling ms" in text

    cases, _ = study("shared", 2, "[{ ulysses = 2 }]")
    assert len(cases[0]["ranks"]) == 2 and cases[0]["summary"]["received_bytes_of_busiest_rank"] > 0
    for rank in cases[0]["ranks"]:
        check_profile(rank["profile"], has_exchange=True)
    [timeline] = (WORK / "shared").glob("timeline-*.json")
    events = json.loads(timeline.read_text())["traceEvents"]
    rows = {(event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert {row[0] for row in rows} == {0, 1} and "phases" in rows.values(), rows
    assert len([event for event in events if event["ph"] == "X"]) > 500


if __name__ == "__main__":
    main()
