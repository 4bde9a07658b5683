"""Small jobs for the fault tests: written, run under mpirun by an ordinary user, read back with h5py."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]
from ordinary_user import give_to_user, prefix_for  # noqa: E402
from pipelines import copy_pipeline  # noqa: E402
from rank_processes import process_of_rank  # noqa: E402
from run_hashes import hashes  # noqa: E402


class FaultJob:
    """One run folder, its config and how to run it."""

    def __init__(self, program, mpirun, folder, pipeline, records, toml=""):
        self.program, self.mpirun, self.folder = program, mpirun, folder
        folder.mkdir(parents=True)
        (folder / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        (folder / "job.toml").write_text(
            f'[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "{pipeline}"\ndtype = "fp32"\n'
            f'[sampling]\nmax_sequence_length = 32\n[runtime]\ndevice = "cpu"\n{toml}')

    def start(self, ranks, *more, fault=None, settings=None, command="run"):
        """fault: DITBATCH_FAULT, for ditbatch_faulty; settings: environment of the program alone, not of its launcher"""
        environment = dict(os.environ)
        environment.pop("DITBATCH_FAULT", None)
        if fault:
            environment["DITBATCH_FAULT"] = fault
        program = ["env", *(f"{name}={value}" for name, value in (settings or {}).items()), self.program] if settings else [self.program]
        give_to_user(self.program, self.folder)
        return subprocess.Popen([*prefix_for(self.program), self.mpirun, str(ranks), *program, command, self.folder / "job.toml", *more],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment)

    def run(self, ranks, *more, fault=None, settings=None, expect=0, timeout=120, command="run"):
        """-> stderr, seconds; what it printed is in self.printed. expect: an exit code, or some of them"""
        begun = time.monotonic()
        process = self.start(ranks, *more, fault=fault, settings=settings, command=command)
        try:
            self.printed, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"{self.folder.name}: still there after {timeout} s with {fault}\n{process.communicate()[1]}")
        expected = expect if isinstance(expect, tuple) else (expect,)
        assert process.returncode in expected, f"{self.folder.name} ({fault or settings}): exit {process.returncode}, not {expect}\n{errors}"
        self.exit_code = process.returncode
        return errors, time.monotonic() - begun

    def processes(self):
        found = subprocess.run(["pgrep", "-f", str(self.folder / "job.toml")], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def wait_for_shards(self, process, count, timeout=120):
        """Until so many shards are published while the job runs."""
        until = time.monotonic() + timeout
        while len(list((self.folder / "run").glob("shards/*/*.h5"))) < count:
            assert process.poll() is None and time.monotonic() < until, \
                f"{self.folder.name}: less than {count} shards published\n{process.stderr.read()}"
            time.sleep(0.01)

    def disturb(self, process, rank, kind, codes, where):
        """Sends a signal to one rank: the job ends with one of the codes and leaves no process; it names a rank that was
        stopped, and where it was. -> seconds that took"""
        os.kill(process_of_rank(self.processes(), rank), kind)
        begun = time.monotonic()
        _, errors = process.communicate(timeout=90)
        seconds = time.monotonic() - begun
        assert process.returncode in codes, f"{self.folder.name}: exit {process.returncode}, not {codes}\n{errors}"
        if kind == signal.SIGSTOP:
            cause = re.search(r"cause: (.*)", errors)
            assert cause and f"rank {rank} (" in cause[1] and where in cause[1], errors
            print(cause[1], flush=True)
        self.wait_until_gone()
        return seconds

    def wait_until_gone(self, seconds=10):
        """No process of the job is left, at the latest after so many seconds."""
        until = time.monotonic() + seconds
        while self.processes() and time.monotonic() < until:
            time.sleep(0.05)
        left = self.processes()
        self.kill_all()
        assert not left, f"{self.folder.name}: processes left: {left}"

    def kill_all(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def hashes(self):
        return hashes(self.folder / "run")
