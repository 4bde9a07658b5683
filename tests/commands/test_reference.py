#!/usr/bin/env python3
"""docs/reference.md is what the program says of itself today, and has every option that --help shows.

    test_reference.py DITBATCH

The names in shards, run folders and metrics are compared where others write them, by tests/support/reference.py.
"""
import difflib
import pathlib
import re
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "support")]
import reference  # noqa: E402

PROGRAM = sys.argv[1]


def output(*arguments):
    return subprocess.run([PROGRAM, *arguments], check=True, capture_output=True, text=True).stdout


def help_by_command():
    """-> {command: names of its options and positionals}, from the help of all of them"""
    found, command = {}, None
    for line in output("--help-all").splitlines():
        if match := re.fullmatch(r"([a-z]+)", line.strip()):
            command = match[1]
            found[command] = set()
        elif command and (match := re.match(r" {4}(?:-\w,)?(--[a-z-]+|[a-z_]+) ", line)):
            found[command].add(match[1])
    return {command: names - {"--help"} for command, names in found.items()}


def main():
    today = output("reference")
    stale = list(difflib.unified_diff(reference.FILE.read_text().splitlines(), today.splitlines(), "docs/reference.md", "ditbatch reference", lineterm=""))
    assert not stale, "\n".join([*stale, "the reference is stale: build/cpu/ditbatch reference > docs/reference.md"])
    version = lambda text: tuple(map(int, text.split(".")[:2]))
    late = [row for tables in reference.tables().values() for table in tables for row in table
            if version(row.get("since", "0.0")) > version(re.search(r"Of ditbatch (\S+):", today)[1])]
    assert not late, f"since a version that is still to come: {late}"
    commands = {heading.removeprefix("ditbatch "): {row["option"].split()[0] for table in tables for row in table}
                for heading, tables in reference.tables().items() if heading.startswith("ditbatch ")}
    helped = help_by_command()
    assert {name: commands.get(name, set()) for name in helped} == helped, (commands, helped)


if __name__ == "__main__":
    main()
