"""Jobs of an ordinary user where root starts the tests, as in CI: root may write what nobody else may."""
import functools
import os
import shutil
import subprocess

USER = 65534  # nobody
PREFIX = ["env", "HOME=/tmp", "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all"]


@functools.cache
def prefix_for(program):
    """What goes before a command that runs the program; nothing where this is no root, or where the user cannot reach
    the program."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    reached = subprocess.run([*PREFIX, program, "--version"], capture_output=True)
    if reached.returncode != 0:
        print(f"as root: an ordinary user cannot run {program}", flush=True)
    return PREFIX if reached.returncode == 0 else []


def give_to_user(program, folder):
    """The folder and all in it; beside it new files can be made."""
    if not prefix_for(program):
        return
    folder.parent.chmod(0o777)
    for place, folders, files in os.walk(folder):
        for name in (place, *(os.path.join(place, file) for file in files)):
            os.chown(name, USER, USER, follow_symlinks=False)
