#!/usr/bin/env python3
"""Every place where ranks talk to each other carries a mark `// comm: WHO`, so that `grep -rn '// comm:' src` lists them
all: at the end of the statement, or in the comment right above it.

    tools/checks/comm_marks.py
"""
import pathlib
import re
import sys

# What moves data, or waits, between ranks; what makes or ends groups of them.
TALKS = re.compile(
    r"\bMPI_(?:I?send|I?recv|Mrecv|Improbe|I?bcast|I?barrier|I?(?:all)?gatherv?|I?(?:all)?reduce|I?alltoallv?|Comm_split(?:_type)?|Comm_dup)\("
    r"|\bnccl(?:Send|Recv|Broadcast|AllReduce|AllGather|CommInitRankConfig|CommFinalize)\("
    r"|\b(?:broadcast_string|(?:all_)?gather_strings|on_first_rank|tell_bytes|gather_hardware|send_text|try_receive_text|wait_for_text|split|duplicate)\("
    r"|\b(?:all_to_all|all_gather_rows|finish_exchange|start_over)\(|(?:\.|->)broadcast\("
    r"|\bPeer(?:Memory|Group)::make\(|\bops::cuda::(?:share_heads|scatter_rows|finish_copies)\(|\bexchange_\.\w+\(", re.IGNORECASE)
MARK = "// comm: "
# They carry out what their callers have marked.
CARRIERS = ("comm/mpi_comm.cpp", "comm/text_message.cpp", "comm/mpi_tensor_comm.cpp", "comm/nccl_tensor_comm.cpp",
            "comm/observed_tensor_comm.cpp", "bench/counting_tensor_comm.cpp")


def code_of(line):
    """Without its comment, and without what stands in strings."""
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', line).split("//")[0]


def unmarked(lines):
    """-> numbers of the lines that talk without a mark"""
    for at, line in enumerate(lines):
        code = code_of(line)
        is_definition = line[:1] not in ("", " ", "\t", "}")
        if is_definition or not TALKS.search(code):
            continue
        end = at
        while end + 1 < len(lines) and not re.search(r"[;{}]\s*$", code_of(lines[end]).rstrip() or "x") and end - at < 8:
            end += 1
        above = at - 1
        while above >= 0 and lines[above].strip() and not re.search(r"[;{}:]\s*$|^\s*//", code_of(lines[above]).rstrip() or lines[above]):
            above -= 1
        while above >= 0 and lines[above].lstrip().startswith("//"):
            above -= 1
        if not any(MARK in near for near in lines[above + 1:end + 1]):
            yield at + 1


def main():
    source = pathlib.Path(__file__).resolve().parents[2] / "src"
    # That the check itself can fail:
    assert list(unmarked(["  check_mpi(MPI_Barrier(comm));"])) == [1]
    assert list(unmarked(["  x = comms.cfg->broadcast(one,", "                   0);  // comm: cfg"])) == []
    assert list(unmarked(["  // comm: all ranks", "  on_first_rank(session, [&] {"])) == []
    assert list(unmarked(["  // comm: branch", "  auto const x =", "      gather_strings(comm, text);"])) == []
    assert list(unmarked(["void send_text(MPI_Comm comm) {"])) == []
    missing = []
    for path in sorted(source.rglob("*")):
        if path.suffix not in (".cpp", ".cu", ".cuh") or str(path.relative_to(source)) in CARRIERS:
            continue
        lines = path.read_text().splitlines()
        missing += [f"{path.relative_to(source.parent)}:{number}: {lines[number - 1].strip()}" for number in unmarked(lines)]
    print("\n".join(missing) if missing else "comm_marks: every place where ranks talk carries its mark")
    sys.exit(f"{len(missing)} places have no mark `{MARK}WHO`" if missing else 0)


if __name__ == "__main__":
    main()
