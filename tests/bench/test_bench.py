#!/usr/bin/env python3
"""A study of a small random pipeline on 1 and 4 ranks: complete, consistent, and what cannot run is named.

    test_bench.py DITBATCH MPIRUN_SH WORK_DIR
"""
import csv
import json
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]
from pipelines import copy_pipeline  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
DIMENSIONS = ("ulysses", "ring", "cfg", "branch", "replica")


def study(name, ranks, bench, *more, dtype="fp32", expect=0):
    """-> bench.json, the lines of bench.csv, what was printed"""
    config = WORK / f"{name}.toml"
    config.write_text(f'[job]\nmanifest = "none.jsonl"\nrun_dir = "run"\n[model]\npath = "pipeline"\ndtype = "{dtype}"\n'
                      f'[sampling]\nmax_sequence_length = 21\n[runtime]\ndevice = "cpu"\n[bench]\n{bench}')
    done = subprocess.run([MPIRUN, str(ranks), PROGRAM, "bench", config, "--out", WORK / name, *more], capture_output=True, text=True)
    assert done.returncode == expect, done.stderr + done.stdout
    if expect:
        return done.stderr
    with open(WORK / name / "bench.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert all(None not in line and None not in line.values() for line in lines), lines
    return json.loads((WORK / name / "bench.json").read_text()), lines, done.stdout


def check_summary(summary, samples):
    assert abs(summary["min"] - min(samples)) < 1e-12 and abs(summary["max"] - max(samples)) < 1e-12, summary
    assert summary["min"] <= summary["low"] <= summary["median"] <= summary["high"] <= summary["max"], summary


def check_case(case, line, repetitions):
    """One measured case of the JSON, and its line of the table."""
    mesh, summary, batch = case["mesh"], case["summary"], case["batch"]
    ranks = case["ranks"]
    per_replica = mesh["cfg"] * mesh["ring"] * mesh["ulysses"]
    assert [rank["rank"] for rank in ranks] == list(range(per_replica * mesh["replicas"])), ranks
    assert sum(rank["is_leader"] for rank in ranks) == mesh["replicas"]
    leaders = [rank for rank in ranks if rank["is_leader"]]
    for rank in ranks:
        assert len(rank["batches"]) == repetitions == len(rank["text_s"]), rank
        phases = sum(made["noise_s"] + made["denoise_s"] + made["decode_s"] for made in rank["batches"])
        assert 0 < phases <= rank["wall_s"] and 0 <= rank["waiting_s"] <= rank["wall_s"] and rank["peak_memory_bytes"] > 0, rank
        assert rank["received_bytes_per_image"] == rank["counted_bytes_per_image"], (case["layout"], rank)
        has_steps = case["true_cfg"] or rank["rank"] % per_replica < per_replica // mesh["cfg"]
        assert len(rank["floor_s"]) == (min(repetitions, 5) if has_steps else 0) and all(s > 0 for s in rank["floor_s"]), rank
    for phase in ("denoise_s", "decode_s"):
        check_summary(summary[phase], [made[phase] / batch for rank in leaders for made in rank["batches"]])
    check_summary(summary["image_s"], [(made["noise_s"] + made["denoise_s"] + made["decode_s"]) / batch for rank in leaders for made in rank["batches"]])
    check_summary(summary["text_s"], [seconds / batch for rank in leaders for seconds in rank["text_s"]])
    assert summary["floor_fraction"] > 0 and summary["images_per_s"] > 0 and summary["denoise_tflops_per_rank"] > 0, summary
    assert case["flop_per_step"]["gemm"] > 0 and case["flop_per_step"]["attention"] > 0 and case["flop_decode"] > 0

    assert float(line["image_s"]) == float(f"{summary['image_s']['median']:.9g}") and not line["refusal"], line
    assert int(line["repetitions"]) == repetitions and float(line["floor_fraction"]) > 0 and not line["clock_mhz"], line
    for dimension in DIMENSIONS:
        assert int(line[dimension + "_bytes"]) == max(rank["received_bytes_per_image"][dimension] for rank in ranks), line
    received = {dimension for dimension in DIMENSIONS if int(line[dimension + "_bytes"]) > 0}
    split = {dimension for dimension in ("ulysses", "ring", "cfg") if mesh[dimension] > 1}
    assert received == split | ({"replica"} if split else set()) | ({"branch"} if split - {"cfg"} else set()), (case["layout"], received)


def check_study(made, lines, layouts, sizes, batches, repetitions):
    assert len(made["cases"]) == len(lines) == layouts * sizes * batches, lines
    assert len({(line["layout"], line["ranks"], line["width"], line["height"], line["batch"]) for line in lines}) == len(lines)
    for case, line in zip(made["cases"], lines):
        assert (case["layout"], case["width"], case["batch"]) == (line["layout"], int(line["width"]), int(line["batch"]))
        if "refusal" in case:
            assert case["refusal"] == line["refusal"] and not line["image_s"], line
        else:
            check_case(case, line, repetitions)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")

    made, lines, printed = study("alone", 1, 'layouts = [{}, { ulysses = 2 }]\nsizes = ["96x80", "64x64"]\nsteps = 2\n'
                                 "batch_sizes = [1, 2]\nrepetitions = 2\nwarm_up_s = 0\n")
    check_study(made, lines, layouts=2, sizes=2, batches=2, repetitions=2)
    assert ["refusal" in case for case in made["cases"]] == [False] * 4 + [True] * 4
    assert "does not divide the job's 1" in made["cases"][4]["refusal"] and "not measured: " in printed, printed
    assert made["machine"][0]["host"] and made["hardware"] and made["git_revision"] and "[bench]" in made["config"]
    assert all(line["ulysses_bytes"] == line["replica_bytes"] == "0" for line in lines[:4])

    layouts = ("{ ranks = 1 }", "{ ulysses = 4 }", "{ ulysses = 2, ring = 2 }", "{ ulysses = 2 }", "{ ranks = 3, ring = 3 }",
               "{ cfg = 2, ulysses = 2, true_cfg = true }", "{ cfg = 2, ring = 2 }", "{ ulysses = 3 }", "{ ranks = 9 }")
    on_four = 'sizes = ["80x144"]\nsteps = 2\nrepetitions = 2\nwarm_up_s = 0\n'
    made, lines, printed = study("four", 4, f'layouts = [{", ".join(layouts)}]\n{on_four}')
    check_study(made, lines, layouts=len(layouts), sizes=1, batches=1, repetitions=2)
    assert [line["image_s"] != "" for line in lines] == [True] * 7 + [False] * 2, printed
    assert "does not divide the model's 8 heads" in lines[7]["refusal"] and "needs 9 ranks" in lines[8]["refusal"]
    assert made["cases"][0]["scaling_efficiency"] == 1.0 and made["cases"][1]["scaling_efficiency"] > 0
    assert made["cases"][3]["mesh"]["replicas"] == 2
    # Two bytes a number on the way, but four in a decoder that must not run in float16.
    made, lines, _ = study("half", 4, f"layouts = [{layouts[5]}]\n{on_four}", dtype="fp16")
    check_study(made, lines, layouts=1, sizes=1, batches=1, repetitions=2)

    # The plots need nothing but the table.
    subprocess.run([sys.executable, ROOT / "tools" / "plot_bench.py", WORK / "four", "--out", WORK / "plot.svg"], check=True)
    text = (WORK / "plot.svg").read_text()
    xml.etree.ElementTree.fromstring(text)
    assert "80x144" in text and "ulysses4" in text and "nan" not in text

    assert "did you mean 'ulysses'" in study("typo", 1, "layouts = [{ ulises = 2 }]\n", expect=65)
    assert "--profile needs" in study("no_gpu", 1, "", "--profile", expect=64)
    print("studies on 1 and 4 ranks: every case measured or refused with its reason; bytes as counted")


if __name__ == "__main__":
    main()
