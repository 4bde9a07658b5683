#!/usr/bin/env python3
"""On several GPUs: a job of FLUX.1-dev at full size, as one replica and as one a GPU, keeps them busy and makes the same
images; with one rank killed or stopped while it denoises the job ends in time, names it, and goes on with 2 GPUs to the
same images.

    many_gpu_job.py DITBATCH MPIRUN_SH ARCHITECTURE WORK_DIR [--gpus 4] [--images 40] [--steps 28]
"""
import json
import pathlib
import signal
import subprocess
import time

from full_size_job import FullSizeJob, job_arguments

SILENCE_S = 8
FAULT_IMAGES = 6


def records(count):
    return [dict(id=f"r{i:02}", prompt=f"a lighthouse, view {i}", seed=i) for i in range(count)]


def whole_job(arguments, name, *settings):
    """-> hashes, busy fraction"""
    job = FullSizeJob(arguments, name, records(arguments.images), arguments.steps, settings)
    job.run(arguments.gpus, "--record-kernels")
    [session] = (job.folder / "run" / "sessions").iterdir()
    summary = json.loads((session / "summary.json").read_text())
    waits = {rank["rank"]: rank.get("writer_wait_s") for rank in summary["ranks"]}
    print(f"{name}: {summary['images_made']} images in {summary['wall_s']:.1f} s, {summary['layout']}, first image after "
          f"{summary['first_image_s']:.1f} s, waited for the writer {max(wait or 0 for wait in waits.values()):.4f} s", flush=True)
    for rank in summary["ranks"]:
        print(f"  rank {rank['rank']}: GPU busy {100 * rank['gpu_busy_s'] / rank['gpu_steady_s']:.1f} % of {rank['gpu_steady_s']:.1f} s; "
              f"phases {({phase: round(seconds, 2) for phase, seconds in rank['phase_s'].items()})}", flush=True)
    verified = subprocess.run([arguments.program, "verify", job.folder / "run"], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stderr
    print("  verify:", (verified.stdout + verified.stderr).strip().splitlines()[-1], flush=True)
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        (arguments.keep / f"{name.replace(' ', '_')}.summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    assert summary["images_made"] == arguments.images
    return job.hashes(), summary["gpu_busy_fraction"]


def disturbed(arguments, expected, name, kind, codes):
    job = FullSizeJob(arguments, name, records(FAULT_IMAGES), arguments.steps,
                      ["output.images_per_shard=1", "runtime.batch_size=1", f"limits.phase_s={SILENCE_S}"])
    process = job.start(arguments.gpus, f"--set=mesh.ulysses={arguments.gpus}")
    # The first two images choose algorithms and capture graphs; those that follow mostly denoise.
    job.wait_for_shards(process, 2)
    time.sleep(0.3)
    seconds = job.disturb(process, arguments.gpus // 2, kind, codes, "phase denoise of record")
    done = job.hashes()
    assert 0 < len(done) < FAULT_IMAGES, f"{name}: {len(done)} images were done"
    job.run(2, "--set=mesh.ulysses=2")
    assert job.hashes() == expected, f"{name}: other bits after the resume"
    print(f"{name}: exit {process.returncode} after {seconds:.1f} s, no process left, {len(done)} of {FAULT_IMAGES} images were "
          f"done, the others made with 2 GPUs: all SHA-256 equal", flush=True)


def main():
    parser = job_arguments(gpus=4)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the summaries")
    arguments = parser.parse_args()
    one, one_busy = whole_job(arguments, "one replica", f"mesh.ulysses={arguments.gpus}")
    many, many_busy = whole_job(arguments, "a replica each")
    assert one == many, "a replica each: other bits than one replica"
    print(f"{len(one)} of {len(many)} SHA-256 equal; least busy GPU: {100 * one_busy:.1f} % and {100 * many_busy:.1f} %", flush=True)
    expected = {record["id"]: one[record["id"]] for record in records(FAULT_IMAGES)}
    disturbed(arguments, expected, "killed", signal.SIGKILL, (137, 9))
    disturbed(arguments, expected, "stopped", signal.SIGSTOP, (76,))


if __name__ == "__main__":
    main()
