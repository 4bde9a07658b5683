#!/usr/bin/env python3
"""`run --record-kernels` without a GPU: refused by a build without CUPTI before anything is read; of CPU ranks it
records nothing, says so, and the job is made all the same.

    test_record_kernels.py DITBATCH MPIRUN_SH WORK_DIR HAS_CUPTI
"""
import json
import pathlib
import shutil
import subprocess
import sys

from fault_job import FaultJob, copy_pipeline

PROGRAM, MPIRUN, WORK, HAS_CUPTI = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4] == "1"
RECORDS = [dict(id=f"r{i}", prompt=f"a fox {i}", width=64, height=64, steps=2, seed=i) for i in range(2)]


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    if not HAS_CUPTI:
        done = subprocess.run([PROGRAM, "run", WORK / "none.toml", "--record-kernels"], capture_output=True, text=True)
        assert done.returncode == 64, done
        assert "--record-kernels needs CUPTI (this build has none)" in done.stderr, done.stderr
        return
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    made = FaultJob(PROGRAM, MPIRUN, WORK / "job", WORK / "pipeline", RECORDS, "")
    done = made.run(1, "--record-kernels", "--set=runtime.device=cpu")
    [session] = (made.folder / "run" / "sessions").iterdir()
    summary = json.loads((session / "summary.json").read_text())
    assert summary["images_made"] == 2 and summary["gpu_busy_fraction"] == summary["ranks"][0]["gpu_steady_s"] == 0, summary
    [log] = (session / "logs").iterdir()
    assert "--record-kernels does nothing on a CPU rank" in log.read_text(), log.read_text()


if __name__ == "__main__":
    main()
