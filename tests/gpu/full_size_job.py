"""Jobs of FLUX.1-dev at full size on GPUs, with random weights: written, run under mpirun, read back."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from run_hashes import hashes  # noqa: E402


class FullSizeJob:
    """One run folder of 1024x1024 records; architecture is a folder of tools/make_architecture.py."""

    def __init__(self, program, mpirun, folder, architecture, records, steps, settings=()):
        self.program, self.mpirun, self.folder, self.settings = program, mpirun, folder, list(settings)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        (folder / "job.toml").write_text(
            f'[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "{architecture}"\n'
            f'random_weights = true\n[sampling]\nwidth = 1024\nheight = 1024\nsteps = {steps}\n[runtime]\ndevice = "cuda"\n')

    def start(self, ranks, settings=(), *options):
        sets = [f"--set={setting}" for setting in [*self.settings, *settings]]
        return subprocess.Popen([self.mpirun, str(ranks), self.program, "run", self.folder / "job.toml", *sets, *options],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run(self, ranks, settings=(), *options, timeout_s=300):
        """-> what it wrote to stderr"""
        process = self.start(ranks, settings, *options)
        _, errors = process.communicate(timeout=timeout_s)
        assert process.returncode == 0, f"{self.folder.name}: exit {process.returncode}\n{errors}"
        return errors

    def hashes(self):
        return hashes(self.folder / "run")

    def last_session(self):
        return sorted((self.folder / "run" / "sessions").iterdir())[-1]

    def processes(self):
        found = subprocess.run(["pgrep", "-f", str(self.folder / "job.toml")], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def kill_all(self):
        for pid in self.processes():
            os.kill(pid, 9)
