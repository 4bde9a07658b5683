#!/usr/bin/env python3
"""A job on a GPU that says how busy it was, alone and with two ranks that share the card: the summary has the fraction,
the trace has the busy stretches where the main thread waits for a GPU, and the images have the bits of a job unwatched.

    test_gpu_use.py DITBATCH MPIRUN_SH WORK_DIR PIPELINE
"""
import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from fault_job import FaultJob  # noqa: E402

PROGRAM, MPIRUN, WORK, PIPELINE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve(), pathlib.Path(sys.argv[4]).resolve()
GPU = ["--set=runtime.device=cuda", "--set=runtime.share_gpu=true", "--set=runtime.batch_size=1", "--set=model.dtype=bf16"]
# Two sizes: the graphs of one are captured while kernels are recorded.
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=size, height=size, steps=8, seed=i) for i, size in enumerate([256, 256, 256, 128, 128])]
BUSY_PHASES = ("text", "denoise", "decode")
CLOCKS_AGREE_US = 500


def check_use(rank):
    assert 0 < rank["gpu_busy_s"] <= rank["gpu_steady_s"] < rank["wall_s"], rank
    classes = rank["gpu_class_s"]
    assert classes["gemm"] > 0 and classes["elementwise"] > 0, classes
    # What overlaps counts once as busy.
    assert sum(classes.values()) >= 0.99 * rank["gpu_busy_s"], rank
    return rank["gpu_busy_s"] / rank["gpu_steady_s"]


def check_rows(spans, rank):
    main = [span for span in spans if (span["pid"], span["tid"]) == (rank["rank"], 0)]
    gpu = sorted((span for span in spans if (span["pid"], span["tid"]) == (rank["rank"], 3)), key=lambda span: span["ts"])
    assert gpu and {span["name"] for span in gpu} == {"gpu"}, gpu
    for before, after in zip(gpu, gpu[1:]):
        assert before["ts"] + before["dur"] < after["ts"], (before, after)
    phases = [(span["ts"] - CLOCKS_AGREE_US, span["ts"] + span["dur"] + CLOCKS_AGREE_US) for span in main if span["name"] in BUSY_PHASES]
    for span in gpu:
        for moment in (span["ts"], span["ts"] + span["dur"]):
            assert any(begin <= moment <= end for begin, end in phases), f"busy at {moment} us, outside of {BUSY_PHASES}"
    first_images = min(span["ts"] for span in main if span["name"] == "hand_over")
    assert gpu[0]["ts"] > first_images, "the first batch was recorded"
    last_decode = max((span for span in main if span["name"] == "decode"), key=lambda span: span["ts"])
    assert any(last_decode["ts"] <= span["ts"] + span["dur"] for span in gpu), "the last batch was not recorded"
    assert sum(span["dur"] for span in gpu) * 1e-6 >= rank["gpu_busy_s"] - 1e-6, "a stretch is at least as long as it is busy"
    return len(gpu)


def watched(name, ranks, *more):
    made = FaultJob(PROGRAM, MPIRUN, WORK / name, PIPELINE, RECORDS)
    errors, _ = made.run(ranks, *GPU, *more, "--record-kernels", timeout=300)
    [session] = (made.folder / "run" / "sessions").iterdir()
    summary = json.loads((session / "summary.json").read_text())
    fraction = summary["gpu_busy_fraction"]
    assert 0 < fraction <= 1 and fraction == min(check_use(rank) for rank in summary["ranks"]), summary
    [line] = [line for line in errors.splitlines() if "GPU busy" in line]
    assert f"{100 * fraction:.1f} %" in line, line
    trace = made.folder / "trace.json"
    subprocess.run([PROGRAM, "timeline", session, "--out", trace], check=True, capture_output=True)
    events = json.loads(trace.read_text())["traceEvents"]
    rows = {(event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert all(rows[(rank, 3)] == "gpu" for rank in range(ranks)), rows
    spans = [event for event in events if event["ph"] == "X"]
    stretches = [check_rows(spans, rank) for rank in summary["ranks"]]
    print(f"{name}: {line.strip()}; stretches {stretches}")
    return made.hashes()


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    unwatched = FaultJob(PROGRAM, MPIRUN, WORK / "unwatched", PIPELINE, RECORDS)
    errors, _ = unwatched.run(1, *GPU, timeout=300)
    assert "GPU busy" not in errors, errors
    bits = unwatched.hashes()
    assert len(bits) == len(RECORDS)
    assert watched("alone", 1) == bits
    assert watched("shared", 2, "--set=mesh.ulysses=2") == bits


if __name__ == "__main__":
    main()
