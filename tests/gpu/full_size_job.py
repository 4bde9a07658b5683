"""Jobs of FLUX.1-dev at full size on GPUs, with random weights."""
import argparse
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from fault_job import FaultJob  # noqa: E402

SETTINGS = ["model.dtype=bf16", "model.random_weights=true", "runtime.device=cuda", "sampling.width=1024", "sampling.height=1024",
            "sampling.max_sequence_length=512"]


def job_arguments(gpus):
    """A parser of what such programs have in common."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("mpirun")
    parser.add_argument("architecture", type=lambda text: pathlib.Path(text).resolve(), help="a folder of tools/make_architecture.py")
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--gpus", type=int, default=gpus)
    return parser


class FullSizeJob(FaultJob):
    """One run folder of 1024x1024 records, written anew; `settings` hold for all its runs."""

    def __init__(self, arguments, name, records, steps, settings=()):
        folder = arguments.work / name.replace(" ", "-").replace(",", "")
        shutil.rmtree(folder, ignore_errors=True)
        super().__init__(arguments.program, arguments.mpirun, folder, arguments.architecture, records)
        self.options = [f"--set={setting}" for setting in [*SETTINGS, f"sampling.steps={steps}", *settings]]

    def start(self, ranks, *more, **how):
        return super().start(ranks, *self.options, *more, **how)

    def run(self, ranks, *more, **how):
        return super().run(ranks, *more, **{"timeout": 300, **how})
