#!/usr/bin/env python3
"""Every function outside tests/ has fewer than 80 lines, its first and last line counted.

    tools/checks/function_length.py [--list N]    also prints the N longest

Reads code as clang-format leaves it: a body ends at the first brace that stands where the definition begins.
"""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
longest_allowed = 79
not_a_function = re.compile(r"\s*(namespace|class|struct|enum|union|extern|template|using|typedef|if|else|for|while|switch|do|try|case|return|#|//|\})")


def functions(text):
    """(first line, lines, name) of each definition at namespace or class level."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        indent = len(line) - len(line.lstrip())
        opening = at
        is_start = line.strip() and indent <= 4 and indent % 2 == 0 and not not_a_function.match(line)
        if is_start:  # a declaration may take some lines until its brace or semicolon
            while opening < len(lines) - 1 and opening < at + 15 and not re.search(r"[{};]\s*(//.*)?$", lines[opening]):
                opening += 1
        if is_start and "(" in "".join(lines[at:opening + 1]) and re.search(r"\{\s*(//.*)?$", lines[opening]):
            closing = opening + 1
            while closing < len(lines) - 1 and not re.match(" " * indent + r"\}", lines[closing]):
                closing += 1
            heading = re.sub(r"__\w+__\(.*?\)", "", " ".join(lines[at:opening + 1]))
            name = re.search(r"([\w:~]+|operator\S+)\s*\(", heading)
            yield at + 1, closing - at + 1, name[1] if name else "?"
            at = closing
        at += 1


def main():
    files = subprocess.run(["git", "-C", root, "ls-files", "src/*.cpp", "src/*.hpp", "src/*.cu", "src/*.cuh"],
                           capture_output=True, text=True, check=True).stdout.split()
    found = [(count, f"{file}:{first}: {name}") for file in files if (root / file).exists()
             for first, count, name in functions((root / file).read_text())]
    found.sort(reverse=True)
    if "--list" in sys.argv:
        for count, where in found[:int(sys.argv[sys.argv.index("--list") + 1])]:
            print(f"{count:4} {where}")
    faults = [f"{where}: has {count} lines (at most {longest_allowed}) divide it" for count, where in found if count > longest_allowed]
    print("\n".join(faults) if faults else f"function_length: {len(found)} functions, the longest has {found[0][0]} lines")
    sys.exit(1 if faults else 0)


main()
