#!/usr/bin/env python3
"""On a GPU: FLUX.1-dev at full size makes the same bits on every layout. Takes two minutes.

    full_size_bits.py DITBATCH MPIRUN_SH ARCHITECTURE WORK_DIR [--ranks 4]

ARCHITECTURE is a folder of tools/make_architecture.py; weights are random. All ranks share one GPU: 4 of them need
about 110 GB. Six records of 1024x1024 in 4 steps, two of them with true CFG, and one of an odd size on one rank are what the
other layouts are compared with.
"""
import argparse
import json
import pathlib
import shutil
import subprocess

import h5py

PLAIN = [dict(id=f"plain{i}", prompt=f"a lamp {i}", guidance_scale=i + 2.5) for i in range(4)]
CFG = [dict(id="cfg0", prompt="a harbour at night", negative_prompt="fog", true_cfg_scale=3.0),
       dict(id="cfg1", prompt="a boat", negative_prompt="", true_cfg_scale=2.0)]

# 85 x 85 tokens: the second of two ranks begins at an odd one, so that addresses are aligned otherwise.
ODD = [dict(id="odd", prompt="a clock", width=1360, height=1360)]

# name, ranks, records, settings
LAYOUTS = [
    ("batches of 2", 1, PLAIN + CFG, ["runtime.batch_size=2"]),
    ("batches of 4", 1, PLAIN + CFG, ["runtime.batch_size=4"]),
    ("no graphs", 1, PLAIN[:1] + CFG[:1], ["runtime.cuda_graphs=false"]),
    ("2 replicas", 2, PLAIN[:1] + CFG[:1], []),
    ("cfg 2", 2, PLAIN[:1] + CFG[:1], ["mesh.cfg=2"]),
    ("ulysses 2", 2, PLAIN[:1], ["mesh.ulysses=2"]),
    ("ulysses 2, batches of 2", 2, PLAIN[:2], ["mesh.ulysses=2", "runtime.batch_size=2"]),
    ("ulysses 2, odd shards", 2, ODD, ["mesh.ulysses=2"]),
    ("ring 2", 2, PLAIN[:1], ["mesh.ring=2"]),
    ("ulysses 4", 4, PLAIN[:1], ["mesh.ulysses=4"]),
    ("ring 4", 4, PLAIN[:1], ["mesh.ring=4"]),
    ("cfg 2 x ulysses 2", 4, CFG[:1], ["mesh.cfg=2", "mesh.ulysses=2"]),
    ("ring 2 x ulysses 2", 4, PLAIN[:1], ["mesh.ring=2", "mesh.ulysses=2"]),
]


def made(arguments, name, ranks, records, settings):
    folder = arguments.work / name.replace(" ", "-").replace(",", "")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "job.toml").write_text(
        f'[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "{arguments.architecture}"\n'
        'random_weights = true\n[sampling]\nwidth = 1024\nheight = 1024\nsteps = 4\n'
        '[runtime]\ndevice = "cuda"\nshare_gpu = true\n')
    sets = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([arguments.mpirun, str(ranks), arguments.program, "run", folder / "job.toml", *sets], check=True,
                   capture_output=True, timeout=300)
    hashes = {}
    for shard in folder.glob("run/shards/*/*.h5"):
        with h5py.File(shard) as file:
            hashes.update(zip(file["id"].asstr()[:], (bytes(row).hex() for row in file["sha256"][:])))
    assert hashes.keys() == {record["id"] for record in records}, (name, sorted(hashes))
    return hashes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("mpirun")
    parser.add_argument("architecture", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--ranks", type=int, default=4, help="leave out layouts of more")
    arguments = parser.parse_args()
    expected = made(arguments, "one rank", 1, PLAIN + CFG + ODD, ["runtime.batch_size=1"])
    for identifier, digest in sorted(expected.items()):
        print(identifier, digest, flush=True)
    assert len(set(expected.values())) == len(expected), "two records look alike"
    for name, ranks, records, settings in LAYOUTS:
        if ranks > arguments.ranks:
            continue
        hashes = made(arguments, name, ranks, records, settings)
        different = [identifier for identifier, digest in hashes.items() if digest != expected[identifier]]
        assert not different, f"{name}: other bits than one rank: {different}"
        print(f"{name}: {len(hashes)} of {len(hashes)} SHA-256 equal", flush=True)


if __name__ == "__main__":
    main()
