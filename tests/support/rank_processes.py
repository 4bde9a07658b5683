"""Processes of ranks that Open MPI started on this machine."""
import pathlib


def process_of_rank(processes, rank):
    """-> the process ID, of some process IDs, that is rank `rank`"""
    for pid in processes:
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"OMPI_COMM_WORLD_RANK={rank}".encode() in environment:
            return pid
    raise AssertionError(f"no process of rank {rank}")
