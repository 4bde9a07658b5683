"""The shards of a run folder: their columns, their pixels as hashes."""
import pathlib

import h5py


def image_name(identifier, index):
    return f"{identifier}[{index}]" if index else identifier


def columns(file):
    """-> {name: dataset} of a shard, those of the group by_rank as by_rank/NAME"""
    found = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def flat(row):
    """A row that datasets gives, with the names of columns()."""
    return {name: value for name, value in row.items() if name != "by_rank"} | {f"by_rank/{name}": value for name, value in row["by_rank"].items()}


def hashes(run_dir):
    """-> {id: SHA-256}, an image with another index than 0 as id[index]; refuses images that stand twice"""
    found = {}
    for shard in sorted((pathlib.Path(run_dir) / "shards").rglob("*.h5")):
        with h5py.File(shard) as file:
            assert file.attrs["complete"] == 1, f"{shard}: is not marked as complete"
            for identifier, index, digest in zip(file["id"].asstr()[:], file["index"][:], file["sha256"][:]):
                key = image_name(identifier, index)
                assert key not in found, f"{key} stands twice"
                found[key] = bytes(digest).hex()
    return found
