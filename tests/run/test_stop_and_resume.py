#!/usr/bin/env python3
"""Jobs that are killed, told to stop, or started twice: afterwards every record is there once, with the same bits.

    test_stop_and_resume.py DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]
from ordinary_user import give_to_user, prefix_for  # noqa: E402
from pipelines import copy_pipeline  # noqa: E402
from reference import check_files  # noqa: E402
from run_hashes import hashes  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
RECORDS = 24


def write_job(name, flush_s=0, steps=4):
    folder = WORK / name
    folder.mkdir(parents=True)
    records = [dict(id=f"r{i}", prompt=f"a fox {i}", width=96 + 16 * (i % 2), height=96, steps=steps, seed=i) for i in range(RECORDS)]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "job.toml").write_text(
        f'[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "{WORK / "pipeline"}"\ndtype = "fp32"\n'
        f'[sampling]\nmax_sequence_length = 32\n[output]\nflush_s = {flush_s}\nimages_per_shard = 5\n[runtime]\ndevice = "cpu"\n')
    return folder


def start(folder, ranks, *more, umask=-1):
    give_to_user(PROGRAM, folder)
    return subprocess.Popen([*prefix_for(PROGRAM), MPIRUN, str(ranks), PROGRAM, "run", folder / "job.toml", *more], stderr=subprocess.PIPE, text=True,
                            start_new_session=True, umask=umask)


def run(folder, ranks, *more, expect=0):
    process = start(folder, ranks, *more)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == expect, f"{folder.name}: exit {process.returncode}, not {expect}\n{errors}"
    return errors


def wait_for_work(folder):
    while not list((folder / "run" / ".work").glob("partial-*")) and not list((folder / "run").glob("shards/*/*.h5")):
        time.sleep(0.02)


def killed(expected, rounds=3):
    rng = random.Random(2)
    folder = write_job("killed")
    for _ in range(rounds):
        process = start(folder, rng.choice([1, 2, 3]))
        wait_for_work(folder)
        time.sleep(0.2 + rng.random() * 1.3)
        os.killpg(process.pid, signal.SIGKILL)
        # mpirun's own ranks are in process groups of their own
        subprocess.run(["pkill", "-9", "-f", str(folder / "job.toml")])
        process.wait()
    run(folder, 2)
    assert hashes(folder / "run") == expected, "killed"
    assert subprocess.run([PROGRAM, "verify", folder / "run"], capture_output=True).returncode == 0
    assert "nothing to do" in run(folder, 4)
    return len(list((folder / "run" / "sessions").iterdir()))


def stopped_by_file(expected):
    folder = write_job("stop-file")
    process = start(folder, 2, "--set", "sampling.steps=4")
    wait_for_work(folder)
    (folder / "run" / "STOP").touch()
    process.communicate(timeout=60)
    assert process.returncode in (0, 75)
    made = hashes(folder / "run")
    assert all(expected[key] == value for key, value in made.items())
    # Started again it loads nothing, and says what to do.
    sessions = len(list((folder / "run" / "sessions").iterdir()))
    errors = run(folder, 2, expect=75)
    assert f"remove {folder}/run/STOP and start the same command again" in errors and "loaded in" not in errors, errors
    assert len(list((folder / "run" / "sessions").iterdir())) == sessions
    (folder / "run" / "STOP").unlink()
    run(folder, 1)
    assert hashes(folder / "run") == expected, "stopped by a file"
    return process.returncode, len(made)


def stopped_in_a_batch(expected):
    """The batch in hand is finished and published, whole."""
    folder = write_job("stop-batch")
    process = start(folder, 1, "--set", "runtime.batch_size=4")
    wait_for_work(folder)
    process.send_signal(signal.SIGUSR1)  # mpirun forwards it to all ranks
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    made = hashes(folder / "run")
    assert 0 < len(made) < RECORDS and len(made) % 4 == 0, len(made)
    assert all(expected[key] == value for key, value in made.items())
    run(folder, 2, "--set", "runtime.batch_size=3")
    assert hashes(folder / "run") == expected, "stopped in a batch"
    return len(made)


def alone(folder, stdout=None, stderr=subprocess.PIPE):
    """Without a launcher."""
    give_to_user(PROGRAM, folder)
    return subprocess.Popen([*prefix_for(PROGRAM), PROGRAM, "run", folder / "job.toml"], stdout=stdout, stderr=stderr, text=True)


def end_of(folder):
    return json.loads(sorted((folder / "run" / "sessions").glob("*/end.json"))[-1].read_text())


def wait_for_end_file(folder):
    until = time.monotonic() + 30
    while not list((folder / "run" / "sessions").glob("*/end.json")):
        assert time.monotonic() < until, "it does not say that it was told to stop"
        time.sleep(0.02)


def interrupted(expected):
    """By Ctrl-C: once, twice, and through mpirun, which leaves its ranks two seconds."""
    folder = write_job("interrupted", flush_s=600)
    process = alone(folder)
    wait_for_work(folder)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    made = len(hashes(folder / "run"))
    assert process.returncode == 75 and 0 < made < RECORDS, errors
    assert f"cause: stopped by SIGINT, {RECORDS - made} images left" in errors and "then: start the same command again" in errors, errors
    assert end_of(folder)["cause"] == f"stopped by SIGINT, {RECORDS - made} images left"
    # Whoever reads what it prints may go.
    reader, writer = os.pipe()
    os.close(reader)
    process = alone(folder, writer, writer)
    os.close(writer)
    assert process.wait(60) == 0
    assert hashes(folder / "run") == expected, "interrupted"

    folder = write_job("interrupted-twice", steps=1000)
    process = alone(folder)
    while not any("denoise" in path.read_text() for path in folder.glob("run/sessions/*/ranks.json")):  # of an image in hand
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    wait_for_end_file(folder)  # told at once, since it may be killed
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    said = subprocess.run([PROGRAM, "status", folder / "run"], capture_output=True, text=True).stdout
    assert process.returncode == 130 and said.startswith("stopped") and f"stopped by SIGHUP, {RECORDS} images left" in said, errors + said

    folder = write_job("interrupted-mpirun", flush_s=600, steps=40)
    process = start(folder, 2)
    wait_for_work(folder)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert end_of(folder)["cause"].startswith("stopped by SIGTERM, "), errors
    errors = run(folder, 2, "--limit", "1")
    assert "damaged" not in errors and hashes(folder / "run"), errors
    return made


def suspended():
    """As a whole, for longer than a rank may be silent."""
    folder = write_job("suspended", steps=20)
    process = start(folder, 2, "--limit=8", "--set=limits.phase_s=4", "--set=limits.io_s=4")
    wait_for_work(folder)
    subprocess.run(["pkill", "-STOP", "-f", f"{PROGRAM} run {folder / 'job.toml'}"])
    time.sleep(6)
    subprocess.run(["pkill", "-CONT", "-f", f"{PROGRAM} run {folder / 'job.toml'}"])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


def stopped_by_time():
    folder = write_job("stop-time")
    run(folder, 1, "--max-hours", "0.0000001", expect=75)


def started_twice():
    folder = write_job("twice")
    first = start(folder, 1)
    while not (folder / "run" / ".work" / "lock").exists():
        time.sleep(0.01)
    os.kill(first.pid, 0)
    subprocess.run(["pkill", "-STOP", "-f", f"{PROGRAM} run {folder / 'job.toml'}"])  # hold it where it is
    lock = json.loads((folder / "run" / ".work" / "lock").read_text())
    subprocess.run(["pkill", "-CONT", "-f", f"{PROGRAM} run {folder / 'job.toml'}"])
    second = start(folder, 1)
    _, errors = second.communicate(timeout=60)
    first.communicate(timeout=60)
    assert first.returncode == 0
    if second.returncode == 65:
        assert f"process {lock['pid']}" in errors and "in use" in errors, errors
    else:
        assert second.returncode == 0  # the first had ended before the second looked for the last time


def parts_fill_one_folder(expected):
    folder = write_job("parts")
    processes = [start(folder, 1, "--part", f"{i}/3") for i in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert hashes(folder / "run") == expected, "parts"


def a_part_beside_the_whole_is_refused():
    folder = write_job("beside")
    for first, second in (((), ("--part", "1/2")), (("--part", "0/2"), ("--part", "1/3"))):
        process = start(folder, 1, *first)
        wait_for_work(folder)
        errors = run(folder, 1, *second, expect=65)
        assert "and a job works on it" in errors and "in use" in errors, errors
        process.send_signal(signal.SIGUSR1)
        process.communicate(timeout=60)
        assert process.returncode in (0, 75)
        shutil.rmtree(folder / "run")


def an_unreadable_folder_is_not_an_empty_one():
    """Its images are not made again."""
    if not prefix_for(PROGRAM):
        return "not tested: root may read all"
    folder = WORK / "killed"
    size = sorted((folder / "run" / "shards").iterdir())[0]
    size.chmod(0)
    errors = run(folder, 1, expect=74)
    assert f"{size}: cannot be read (Permission denied)" in errors, errors
    size.chmod(0o755)
    assert "nothing to do" in run(folder, 1)
    return "refused"


def nothing_is_world_writable():
    folder = write_job("umask")
    process = start(folder, 1, "--limit", "2", umask=0)
    process.communicate(timeout=60)
    assert process.returncode == 0
    found = [path for path in (folder / "run").rglob("*") if path.lstat().st_mode & 0o002]
    assert not found, found


def changed_record_is_refused():
    folder = WORK / "killed"
    text = (folder / "manifest.jsonl").read_text()
    errors = run(folder, 2, "--set", "model.dtype=bf16", expect=65)
    assert "manifest.jsonl:1: r0[0]: was made from another record or checkpoint (dtype was fp32, is bf16)" in errors, errors
    (folder / "manifest.jsonl").write_text(text.replace("a fox 7", "a dog 7"))
    errors = run(folder, 2, expect=65)
    assert "manifest.jsonl:8: r7[0]: was made from another record" in errors, errors


def main():
    for kind in (signal.SIGINT, signal.SIGHUP):
        signal.signal(kind, signal.SIG_DFL)  # ignored in a script's background job, and in all that it starts
    shutil.rmtree(WORK, ignore_errors=True)
    copy_pipeline("a", "dev", "legacy", 1, WORK / "pipeline")
    undisturbed = write_job("undisturbed")
    run(undisturbed, 1)
    expected = hashes(undisturbed / "run")
    assert len(expected) == RECORDS
    print("killed and resumed, sessions:", killed(expected))
    print("stopped by a file, exit code and images:", *stopped_by_file(expected))
    print("stopped in a batch, images:", stopped_in_a_batch(expected))
    print("interrupted, images:", interrupted(expected))
    suspended()
    stopped_by_time()
    started_twice()
    parts_fill_one_folder(expected)
    a_part_beside_the_whole_is_refused()
    print("an unreadable folder:", an_unreadable_folder_is_not_an_empty_one())
    nothing_is_world_writable()
    changed_record_is_refused()
    for run_dir in WORK.glob("*/run"):
        check_files(run_dir)
    print("every record once, every SHA-256 equal to the undisturbed run")


if __name__ == "__main__":
    main()
