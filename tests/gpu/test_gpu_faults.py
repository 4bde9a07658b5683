#!/usr/bin/env python3
"""Two ranks that share one GPU: one is killed or stopped during denoise. The job ends in time and
names a stopped rank, no process is left, and one rank goes on to the same bits. The model's heads are of a size for which
ranks write to each other's memory.

    test_gpu_faults.py DITBATCH MPIRUN_SH WORK_DIR
"""
import pathlib
import shutil
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "faults")]
from fault_job import FaultJob  # noqa: E402
from make_architecture import main as make_architecture  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
SILENCE_S = 8
GPU = ["--set=runtime.device=cuda", "--set=runtime.share_gpu=true", "--set=model.dtype=bf16", "--set=model.random_weights=true"]
TWO = [*GPU, "--set=mesh.ulysses=2", f"--set=limits.phase_s={SILENCE_S}"]
# The long one is in the middle of its denoising when the first is published.
RECORDS = [dict(id=name, prompt="a fox", width=96, height=96, steps=steps, seed=steps) for name, steps in (("first", 2), ("long", 400), ("last", 3))]


def job(name):
    return FaultJob(PROGRAM, MPIRUN, WORK / name, WORK / "model", RECORDS, "[output]\nimages_per_shard = 1\n")


def disturbed(expected, name, kind, codes):
    made = job(name)
    process = made.start(2, *TWO)
    made.wait_for_shards(process, 1)
    time.sleep(1)
    seconds = made.disturb(process, 1, kind, codes, "phase denoise of record long")
    assert set(made.hashes()) == {"first"}, f"{name}: {made.hashes()}"
    made.run(1, *GPU)
    assert made.hashes() == expected, f"{name}: other bits after the resume"
    print(f"{name}: ended with {process.returncode} after {seconds:.1f} s, no process left, resumed with one rank to the same bits", flush=True)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    make_architecture("small", WORK / "model")
    undisturbed = job("undisturbed")
    undisturbed.run(1, *GPU)
    expected = undisturbed.hashes()
    assert len(expected) == len(RECORDS)
    disturbed(expected, "killed", signal.SIGKILL, (137, 9))
    disturbed(expected, "stopped", signal.SIGSTOP, (76,))


if __name__ == "__main__":
    main()
