#!/usr/bin/env python3
"""Every place where ranks talk to each other carries `// comm: WHO`, on its line or in the three before it, so that
`grep -rn '// comm:' src` lists them all.

    tools/checks/comm_marks.py    reads src/; a definition that passes its caller's communicator on is marked where it is called
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
calls = re.compile(
    r"\bMPI_(I?[Ss]end|I?[Rr]ecv|Mrecv|I?m?[Pp]robe|Improbe|I?[Bb]cast|(All)?[Gg]atherv?|Allgatherv?|(All)?[Rr]educe|I?[Bb]arrier|Alltoall\w*|"
    r"Comm_split\w*|Comm_dup\w*)\("
    r"|(->|\.)(all_to_all|all_gather_rows|broadcast)\("
    r"|(?<![\w:])(broadcast_string|gather_strings|all_gather_strings|send_text|receive_text|on_first_rank(<\w+>)?)\(")
# What the marked calls are made of.
implementations = re.compile(r"src/comm/(\w+_tensor_comm|tensor_comm|mpi_comm|text_message|observed_tensor_comm)\.|src/bench/counting_tensor_comm\.")


def faults_of(path):
    lines = path.read_text().splitlines()
    for at, line in enumerate(lines):
        code = line.split("//")[0]
        if not calls.search(code) or re.match(r"(\[\[nodiscard\]\] )?[\w:<>]+ [\w:]+\(.*[,{;]$|template", line):
            continue
        if not any("// comm:" in near for near in lines[max(0, at - 3):at + 2]):
            yield f"{path.relative_to(root)}:{at + 1}: ranks talk here without a mark: {line.strip()}"


def main():
    files = [path for path in sorted((root / "src").rglob("*")) if path.suffix in (".cpp", ".cu")]
    faults = [fault for path in files if not implementations.match(path.relative_to(root).as_posix()) for fault in faults_of(path)]
    marks = sum(path.read_text().count("// comm:") for path in files)
    print("\n".join(faults) if faults else f"comm_marks: {marks} marks, none missing")
    sys.exit(1 if faults else 0)


main()
