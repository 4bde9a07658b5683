#!/usr/bin/env python3
"""Every header of src/ compiles alone: whoever includes it need not know what it needs.

    tools/checks/headers_alone.py BUILD_DIR    of the preset cpu, configured

A header is proven by the file of its name, which includes it first, where that is compiled without a precompiled header, or
where the header reaches ATen (the precompiled one holds nothing that ATen does not bring). Each other one is compiled as a
file of its folder is, by the same compiler and ccache. Headers that need CUDA are left to
the files of their name.
"""
import concurrent.futures
import functools
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
source = root / "src"
CUDA = re.compile(r"(cuda|nccl|cublas|c10/cuda/|ATen/cuda/|cupti)")
ATEN = re.compile(r"(ATen|torch)/")


@functools.cache
def includes(path):
    return re.findall(r'^#include ([<"])([^>"]+)[>"]', path.read_text(), re.M)


@functools.cache
def reaches(header, library):
    """Does it include a header of the library, itself or by another of ours?"""
    return any(library.match(name) if mark == "<" else (source / name).exists() and reaches(source / name, library)
               for mark, name in includes(header))


def command_of(build):
    """file, and (folder, with the precompiled header?) -> how it, or one of the folder's files, is compiled, without the file
    and where it goes."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        if source in file.parents and file.suffix == ".cpp":
            words = shlex.split(entry["command"])
            for option, count in (("-MD", 1), ("-MT", 2), ("-MF", 2)):  # its list of headers is the build's
                if option in words:
                    del words[words.index(option):words.index(option) + count]
            found[file] = words[:words.index("-o")]
            found.setdefault((file.parent, "-include" in found[file]), found[file])
    return found


def is_proven(header, commands):
    """Is it the first include of a file that is compiled with no more than the header brings?"""
    unit = header.with_suffix(".cpp")
    return unit in commands and ("-include" not in commands[unit] or reaches(header, ATEN)) and \
        includes(unit)[:1] == [('"', header.relative_to(source).as_posix())]


def compile_alone(header, commands, build):
    precompiled = reaches(header, ATEN)
    words = list(next(commands[folder, kind] for folder in header.parents for kind in (precompiled, not precompiled) if (folder, kind) in commands))
    if not precompiled and "-include" in words:
        at = words.index("-include")
        del words[at:at + 2]
    if not any(word.startswith("-DDITBATCH_CUDA=") for word in words):
        words.append("-DDITBATCH_CUDA=0")  # as in every file that includes a header which asks
    unit = build / "headers_alone" / header.relative_to(source).with_suffix(".cpp")
    unit.parent.mkdir(parents=True, exist_ok=True)
    text = f'#include "{header.relative_to(source).as_posix()}"\n'
    if not unit.exists() or unit.read_text() != text:
        unit.write_text(text)
    launcher = [root / "cmake" / "ccache.sh"] if shutil.which("ccache") else []
    done = subprocess.run([*launcher, *words, "-MD", "-MF", f"{unit}.d", "-o", f"{unit}.o", "-c", unit], cwd=build, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{header.relative_to(root)}: does not compile alone\n{done.stderr[:2000]}"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    commands = command_of(build)
    headers = [header for header in sorted(source.rglob("*.hpp")) if not reaches(header, CUDA)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        unproven = [header for header in headers if not is_proven(header, commands)]
        faults = list(filter(None, pool.map(lambda header: compile_alone(header, commands, build), unproven)))
    print("\n".join(faults) if faults else f"headers_alone: {len(headers)} headers compile alone, {len(unproven)} of them were tried, the others begin a file")
    sys.exit(1 if faults or not headers else 0)


main()
