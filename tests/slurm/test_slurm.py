#!/usr/bin/env python3
"""Jobs of slurm/run.sbatch on a real Slurm of two nodes: every image is there once, with the bits of a plain run.

    test_slurm.py prepare|both_nodes|drain|node_death|spare_node|array|restart|too_few_nodes|stuck|deadline|give_up DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]
from run_hashes import hashes  # noqa: E402
from slurm_cluster import Cluster, isolate, run, skip_where_impossible, wait_until  # noqa: E402

CASE, PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])
SLURM = pathlib.Path(__file__).resolve().parents[2] / "slurm"


def records(prefix, count, steps):
    return [dict(id=f"{prefix}{i}", prompt=f"a fox {i}", width=96 + 16 * (i % 2), height=96, steps=steps, seed=i) for i in range(count)]


QUICK = records("quick", 6, 2)
SLOW = records("slow", 20, 50)
LIMIT_CHECK_S = 30  # slurmctld looks that often at the time limits and sends what --signal asks for


def write_job(name, manifest, mesh=""):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in manifest))
    (folder / "job.toml").write_text(
        f'[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "{WORK / "pipeline"}"\ndtype = "fp32"\n'
        f'[mesh]\n{mesh}\n[sampling]\nmax_sequence_length = 32\n[output]\nflush_s = 0\nimages_per_shard = 5\n'
        '[limits]\ndrain_s = 5\n[runtime]\ndevice = "cpu"\n')
    return folder


class Job:
    """A job of run.sbatch; what it prints is in `folder`/out."""

    def __init__(self, folder, *options, arguments=(), **environment):
        self.folder = folder
        variables = dict(DITBATCH=PROGRAM, DITBATCH_SITE=str(SLURM / "sites" / "ethernet.env"), DITBATCH_WAIT_S="3", **environment)
        done = subprocess.run(["sbatch", "--parsable", f"--output={folder}/out-%a", *options, SLURM / "run.sbatch", folder / "job.toml", *arguments],
                              capture_output=True, text=True, cwd=folder, env={**os.environ, **variables})
        assert done.returncode == 0, done.stderr
        self.number = done.stdout.strip()

    def output(self):
        return "".join(path.read_text() for path in sorted(self.folder.glob("out-*")))

    def tasks(self):
        """Slurm's description of the job, one for each task of an array."""
        lines = run("scontrol", "show", "job", "--oneliner", self.number).splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def end(self, code=0, limit_s=100):
        """Waits for the end of all tasks; returns them."""
        wait_until(lambda: all(task["JobState"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL") for task in self.tasks()),
                   limit_s, f"{self.folder.name} does not end", self.output)
        for task in self.tasks():
            assert task["ExitCode"] == f"{code}:0", f"{self.folder.name}: {task['JobState']}, exit {task['ExitCode']}\n{self.output()}"
        return self.tasks()


def require_plain_bits(folder, manifest):
    expected = json.loads((WORK / "expected.json").read_text())
    assert hashes(folder / "run") == {record["id"]: expected[record["id"]] for record in manifest}, f"{folder.name}: not what a plain run makes"


def hosts(folder):
    """The hosts of every session, in order: [{"n1", "n2"}, ...]."""
    return [{rank["host"] for rank in json.loads(path.read_text())["ranks"]} for path in sorted(folder.glob("run/sessions/*/session.json"))]


def wait_for_shards(folder, count):
    wait_until(lambda: len(list(folder.glob("run/shards/*/*.h5"))) >= count, 60, f"{folder.name}: no {count} shards")


def ranks_on(cluster, node):
    """Process ids of the ranks on a node. Its processes are children of this PID namespace, so they are seen from here."""
    def host(pid):
        return os.readlink(f"/proc/{pid}/ns/uts")
    found = []
    first = next(int(pid) for pid in pathlib.Path(f"/proc/{cluster.nodes[node].pid}/task/{cluster.nodes[node].pid}/children").read_text().split())
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            if words[:2] == [PROGRAM.encode(), b"run"] and host(path.name) == host(first):
                found.append(int(path.name))
        except OSError:
            continue  # it has just ended
    return found


def prepare():
    skip_where_impossible(WORK)
    from pipelines import copy_pipeline
    shutil.rmtree(WORK, ignore_errors=True)
    copy_pipeline("a", "dev", "legacy", 1, WORK / "pipeline")
    folder = write_job("plain", QUICK + SLOW)
    done = subprocess.run([MPIRUN, "2", PROGRAM, "run", folder / "job.toml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = hashes(folder / "run")
    assert len(made) == len(QUICK + SLOW)
    (WORK / "expected.json").write_text(json.dumps(made))
    print(f"{len(made)} images without Slurm")


def both_nodes(_):
    for launcher in ("srun", "mpirun"):
        folder = write_job(f"both-nodes-{launcher}", QUICK, "ulysses = 2\nring = 2")
        Job(folder, "--nodes=2", "--ntasks-per-node=2", DITBATCH_LAUNCHER=launcher).end()
        assert hosts(folder) == [{"n1", "n2"}], hosts(folder)
        require_plain_bits(folder, QUICK)
        print(f"{launcher}: {len(QUICK)} images, each made by 4 ranks on 2 nodes")
    folder = write_job("wrong-launcher", QUICK)
    done = subprocess.run(["srun", "--mpi=none", "--nodes=2", "--ntasks=2", PROGRAM, "run", folder / "job.toml"], capture_output=True, text=True)
    assert done.returncode == 69 and "use srun --mpi=pmix" in done.stderr, f"exit {done.returncode}\n{done.stderr}"
    assert not (folder / "run").exists()
    print("srun --mpi=none: exit 69, nothing written")


def drain(cluster):
    folder = write_job("drain", SLOW)
    # Some seconds of work before slurmctld looks at the time limits for the next time.
    wait_until(lambda: 24.5 < cluster.age_s() % LIMIT_CHECK_S < 26, LIMIT_CHECK_S, "time does not pass")
    [task] = Job(folder, "--nodes=2", "--ntasks-per-node=1", "--time=1", "--signal=B:USR1@40").end()
    output = (folder / "out-4294967294").read_text()
    assert "told to stop" in output and "exit 75, requeueing" in output, output
    assert int(task["Restarts"]) >= 1, task
    reasons = [json.loads(path.read_text())["stop_reason"] for path in sorted(folder.glob("run/sessions/*/summary.json"))]
    assert set(reasons[:-1]) == {"SIGUSR1"} and reasons[-1] == "", reasons
    require_plain_bits(folder, SLOW)
    print(f"signalled, exit 75, {task['Restarts']} requeues, {len(SLOW)} images")


def node_death(cluster):
    folder = write_job("node-death", SLOW)
    job = Job(folder, "--nodes=1-2", "--exclusive", DITBATCH_RANKS_PER_NODE="1")
    wait_for_shards(folder, 1)
    cluster.kill_node("n2")
    [task] = job.end()
    assert task["Restarts"] == "1" and hosts(folder) == [{"n1", "n2"}, {"n1"}], (task["Restarts"], hosts(folder))
    require_plain_bits(folder, SLOW)
    print(f"one of two nodes died: requeued by Slurm, ended on the other, {len(SLOW)} images")


def spare_node(cluster):
    folder = write_job("spare-node", SLOW)
    job = Job(folder, "--nodes=2", "--ntasks-per-node=1", "--no-kill")
    wait_for_shards(folder, 1)
    cluster.kill_node("n2")
    [task] = job.end()
    assert task["Restarts"] == "0" and "starting again without n2" in job.output(), job.output()
    assert hosts(folder) == [{"n1", "n2"}, {"n1"}], hosts(folder)
    require_plain_bits(folder, SLOW)
    print(f"one of two nodes died: the same allocation went on without it, {len(SLOW)} images")


def array(_):
    folder = write_job("array", SLOW[:16])
    job = Job(folder, "--array=4-5", "--nodes=1", "--ntasks-per-node=1", DITBATCH_LAUNCHER="mpirun")
    wait_for_shards(folder, 1)
    run("scancel", "--batch", "--signal=USR1", f"{job.number}_5")  # this alone, whose SLURM_JOB_ID is that of the array
    tasks = job.end()
    assert {task["ArrayTaskId"]: task["Restarts"] for task in tasks} == {"4": "0", "5": "1"}, tasks
    assert {path.name.split("-")[0] for path in folder.glob("run/shards/*/*.h5")} == {"p0000", "p0001"}
    require_plain_bits(folder, SLOW[:16])
    # One of them again is still part 1 of 2: what it finds missing it makes, and no more.
    for shard in folder.glob("run/shards/*/p0001-*.h5"):
        shard.unlink()
    (folder / "run" / "index.p0001.jsonl").unlink()
    Job(folder, "--array=5", "--nodes=1", "--ntasks-per-node=1", DITBATCH_LAUNCHER="mpirun").end()
    assert {path.name.split("-")[0] for path in folder.glob("run/shards/*/*.h5")} == {"p0000", "p0001"}
    require_plain_bits(folder, SLOW[:16])
    print("two tasks, one of them stopped and requeued: one run folder, 16 images")


def restart(cluster):
    for launcher in ("srun", "mpirun"):
        folder = write_job(f"restart-{launcher}", SLOW)
        job = Job(folder, "--nodes=2", "--ntasks-per-node=1", DITBATCH_LAUNCHER=launcher)
        wait_for_shards(folder, 1)
        [rank] = ranks_on(cluster, "n2")
        os.kill(rank, signal.SIGKILL)
        [task] = job.end()
        assert task["Restarts"] == "0" and "starting again without n2" in job.output(), job.output()
        assert hosts(folder) == [{"n1", "n2"}, {"n1"}], hosts(folder)
        require_plain_bits(folder, SLOW)
        print(f"{launcher}: a rank lost, started again in the same allocation without its node, {len(SLOW)} images")


def too_few_nodes(cluster):
    folder = write_job("too-few-nodes", SLOW)
    job = Job(folder, "--nodes=2", "--ntasks-per-node=1", DITBATCH_MIN_NODES="2")
    wait_for_shards(folder, 1)
    [rank] = ranks_on(cluster, "n2")
    os.kill(rank, signal.SIGKILL)
    [task] = job.end()
    assert task["Restarts"] == "1" and "exit 137, requeueing" in job.output(), job.output()
    assert hosts(folder) == [{"n1", "n2"}, {"n1", "n2"}], hosts(folder)
    require_plain_bits(folder, SLOW)
    print(f"a rank lost and both nodes needed: requeued, {len(SLOW)} images")


def stuck(cluster):
    for launcher in ("srun", "mpirun") if os.environ.get("DITBATCH_EVERY_CASE") else ("srun",):
        folder = write_job(f"stuck-{launcher}", SLOW)
        job = Job(folder, "--nodes=2", "--ntasks-per-node=1", DITBATCH_LAUNCHER=launcher, arguments=("--set", "limits.phase_s=4"))
        wait_for_shards(folder, 1)
        [rank] = ranks_on(cluster, "n2")
        os.kill(rank, signal.SIGSTOP)
        [task] = job.end()
        assert task["Restarts"] == "0" and "exit 76, starting again without n2" in job.output(), job.output()
        assert hosts(folder) == [{"n1", "n2"}, {"n1"}], hosts(folder)
        require_plain_bits(folder, SLOW)
        print(f"{launcher}: a rank stopped, exit 76, started again in the same allocation without its node, {len(SLOW)} images")


def never_comes(_):
    """A rank that sleeps before MPI_Init, as one does whose node hangs: the others name the wait, and do not wait for ever."""
    folder = write_job("never-comes", SLOW)
    command = f"[ $SLURM_PROCID = 0 ] || exec sleep 100; exec {PROGRAM} run {folder}/job.toml --set limits.start_s=5"
    begin = time.monotonic()
    done = subprocess.run(["srun", "--mpi=pmix", "--nodes=2", "--ntasks-per-node=1", "--wait=3", "sh", "-c", command], capture_output=True, text=True)
    seconds = time.monotonic() - begin
    assert seconds < 60 and "cause: MPI did not start within 5.0 s on rank 0 (host n" in done.stderr, f"{seconds:.1f} s\n{done.stderr}"
    end = json.loads((folder / "run" / ".work" / "end.json").read_text())
    assert (end["code"], end["rank"]) == (76, 0), end
    print(f"srun: a rank that never comes to MPI_Init, named after {seconds:.1f} s, end.json says 76")


def deadline(_):
    for name, launch, environment in (("squeue", ["srun", "--mpi=pmix", "--time=1"], {}),
                                      ("variable", [], dict(SLURM_JOB_END_TIME=str(int(time.time()) + 65)))):
        folder = write_job(f"deadline-{name}", SLOW)
        begin = time.monotonic()
        done = subprocess.run([*launch, PROGRAM, "run", folder / "job.toml", "--set", "limits.drain_s=55"], capture_output=True, text=True,
                              env={**os.environ, **environment})
        seconds = time.monotonic() - begin
        assert done.returncode == 75 and 2 < seconds < 20, f"exit {done.returncode} after {seconds:.1f} s\n{done.stderr}"
        expected, made = json.loads((WORK / "expected.json").read_text()), hashes(folder / "run")
        assert 0 < len(made) < len(SLOW) and made.items() <= expected.items()
        print(f"the end from {name}, less 55 s for draining: exit 75 after {seconds:.1f} s, {len(made)} images")


def give_up(_):
    folder = write_job("give-up", QUICK)
    job = Job(folder, "--nodes=1", "--ntasks-per-node=1", arguments=("--max-hours", "0.0000001"))
    [task] = job.end(75)
    assert task["Restarts"] == "1" and "two attempts published nothing" in job.output(), job.output()
    print("an attempt that publishes nothing is repeated once")


CASES = {case.__name__: case for case in (both_nodes, drain, node_death, spare_node, array, restart, too_few_nodes, stuck, never_comes, deadline, give_up)}


def main():
    if CASE == "prepare":
        prepare()
        return
    isolate(WORK)
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1",
                      OMPI_MCA_btl_vader_single_copy_mechanism="none", OMP_NUM_THREADS="1")
    with Cluster(WORK / f"cluster-{CASE}") as cluster:
        CASES[CASE](cluster)


if __name__ == "__main__":
    main()
