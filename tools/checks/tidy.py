#!/usr/bin/env python3
"""clang-tidy on the files that differ from a base commit, as .clang-tidy says.

    tools/checks/tidy.py BUILD_DIR [BASE]    BUILD_DIR: of the preset cpu, configured; BASE: by default the parent of HEAD

A changed header is read through the file of its name. DITBATCH_TIDY_BASE names another base, DITBATCH_TIDY_S the
seconds that it may take (default 60): what is left over then is named, and no failure.
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parents[2]


def changed_units(base, known):
    """The compiled files that differ from the base or are new, and those of a changed header's name."""
    git = lambda *words: subprocess.run(["git", "-C", root, *words], capture_output=True, text=True)
    differing = git("diff", "--name-only", "--diff-filter=d", base, "--", "src", "tests")
    if differing.returncode != 0:
        print(f"tidy: nothing to compare with ({differing.stderr.strip().splitlines()[0]})")
        sys.exit(77)
    new = git("ls-files", "--others", "--exclude-standard", "--", "src", "tests").stdout
    names = dict.fromkeys((differing.stdout + new).split())
    return sorted({unit for name in names for unit in [str((root / name).with_suffix(".cpp"))] if unit in known})


def write_commands(build):
    """compile_commands.json without GCC's precompiled header, which clang cannot read; the files in it."""
    entries = [entry for entry in json.loads((build / "compile_commands.json").read_text()) if entry["file"].endswith(".cpp")]
    for entry in entries:
        words = shlex.split(entry["command"])
        words = words[next(at for at, word in enumerate(words) if word.endswith("++")):]  # without ccache
        if "-include" in words:
            del words[words.index("-include"):words.index("-include") + 2]
        entry["command"] = shlex.join(word for word in words if word not in ("-Winvalid-pch", "-Werror=undef"))
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(entries))
    return folder, {entry["file"] for entry in entries}


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    tool = shutil.which("clang-tidy-16")
    if tool is None:
        print("tidy: clang-tidy-16 is missing (tools/setup.sh installs it)")
        sys.exit(77)
    folder, known = write_commands(build)
    base = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("DITBATCH_TIDY_BASE", "HEAD~1")
    units = changed_units(base, known)
    end = time.monotonic() + float(os.environ.get("DITBATCH_TIDY_S", "60"))
    late, faulty = [], []

    def look_at(unit):
        try:
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(tool, 0)
            done = subprocess.run([tool, "--quiet", "-p", folder, unit], capture_output=True, text=True, timeout=left, cwd=root)
            if done.returncode != 0:
                faulty.append(unit)
                print(done.stdout or done.stderr, flush=True)
        except subprocess.TimeoutExpired:
            late.append(os.path.relpath(unit, root))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(look_at, units))
    print(f"tidy: {len(units) - len(late)} files that differ from {base}, {len(faulty)} with findings")
    if late:
        print(f"tidy: no time for {len(late)} more (DITBATCH_TIDY_S=600 gives it): {' '.join(sorted(late))}")
    sys.exit(1 if faulty else 0)


main()
