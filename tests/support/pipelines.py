"""The small random checkpoints of tools/make_pipeline.py for tests: each is made once and copied to who asks for it.

To import diffusers and train two tokenizers takes longer than many a test.
"""
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAKER, VERSIONS = ROOT / "tools" / "make_pipeline.py", ROOT / "tools" / "requirements.txt"


def copy_pipeline(arch, kind, tokenizers, seed, folder):
    """A copy that the test may change, in a folder that is not there yet. Whoever asks first makes it; others wait."""
    made_by = hashlib.sha256(MAKER.read_bytes() + VERSIONS.read_bytes()).hexdigest()[:12]
    kept = ROOT / "build" / "pipelines" / made_by / f"{arch}-{kind}-{tokenizers}-{seed}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{kept}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            part = kept.with_name(kept.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            subprocess.run([sys.executable, MAKER, "--arch", arch, "--kind", kind, "--tokenizers", tokenizers, "--seed", str(seed), part], check=True,
                           stdout=subprocess.DEVNULL)
            part.rename(kept)
    shutil.copytree(kept, folder)
    for file in filter(pathlib.Path.is_file, folder.rglob("*")):
        file.chmod(file.stat().st_mode | 0o444)  # safetensors gives files to their owner alone
