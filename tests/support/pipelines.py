"""The small random checkpoints of tools/make_pipeline.py for tests: made once, and copied to who asks for one.

    pipelines.py ARCH-KIND-TOKENIZERS-SEED   makes that one and all that the tests here use

To import diffusers takes longer than many a test: one process makes them all.
"""
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAKER, VERSIONS = ROOT / "tools" / "make_pipeline.py", ROOT / "tools" / "requirements.txt"
KEPT = ROOT / "build" / "pipelines" / hashlib.sha256(MAKER.read_bytes() + VERSIONS.read_bytes()).hexdigest()[:12]
USUAL = ("d-dev-json-5", "d-dev-json-6", "d-dev-legacy-7", "b-schnell-legacy-7", "a-dev-legacy-1", "a-dev-legacy-17")


def copy_pipeline(arch, kind, tokenizers, seed, folder):
    """A copy that the test may change, in a folder that is not there yet. Whoever asks first makes it; others wait."""
    name = f"{arch}-{kind}-{tokenizers}-{seed}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (KEPT / name).exists():
            subprocess.run([sys.executable, __file__, name], check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(KEPT / name, folder)
    for file in filter(pathlib.Path.is_file, folder.rglob("*")):
        file.chmod(file.stat().st_mode | 0o444)  # safetensors gives files to their owner alone


def main():
    sys.path.insert(0, str(MAKER.parent))
    import make_pipeline
    import torch
    torch.set_num_threads(1)
    for name in dict.fromkeys((sys.argv[1], *USUAL)):
        if (KEPT / name).exists():
            continue
        part = KEPT / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        arch, kind, tokenizers, seed = name.split("-")
        make_pipeline.make_pipeline(arch, kind, tokenizers, int(seed), part)
        part.rename(KEPT / name)


if __name__ == "__main__":
    main()
