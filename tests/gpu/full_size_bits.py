#!/usr/bin/env python3
"""On a GPU: FLUX.1-dev at full size makes the same bits on every layout. Takes two minutes.

    full_size_bits.py DITBATCH MPIRUN_SH ARCHITECTURE WORK_DIR [--ranks 4] [--gpus 4] [--first 1]

ARCHITECTURE is a folder of tools/make_architecture.py; weights are random. Layouts of more ranks than GPUs share one: 4
ranks need about 110 GB. Six records of 1024x1024 in 4 steps, two of them with true CFG, and one of an odd size on one
rank are what the other layouts are compared with. Hashes of two runs can be compared where both had one ARCHITECTURE: its
tokenizers are trained when it is made, and another version of sentencepiece trains another one.
"""
from full_size_job import FullSizeJob, job_arguments

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
    ("4 replicas", 4, PLAIN, []),
    ("ulysses 4, odd shards", 4, ODD, ["mesh.ulysses=4"]),
    ("ulysses 4 by collectives", 4, PLAIN[:1], ["mesh.ulysses=4", "runtime.peer_memory=false"]),
]


def made(arguments, name, ranks, records, settings):
    share = [] if arguments.gpus >= ranks else ["runtime.share_gpu=true"]
    job = FullSizeJob(arguments, name, records, 4, [*share, *settings])
    job.run(ranks)
    hashes = job.hashes()
    assert hashes.keys() == {record["id"] for record in records}, (name, sorted(hashes))
    return hashes


def main():
    parser = job_arguments(gpus=1)
    parser.add_argument("--ranks", type=int, default=4, help="leave out layouts of more")
    parser.add_argument("--first", type=int, default=1, help="leave out layouts of fewer ranks")
    arguments = parser.parse_args()
    expected = made(arguments, "one rank", 1, PLAIN + CFG + ODD, ["runtime.batch_size=1"])
    for identifier, digest in sorted(expected.items()):
        print(identifier, digest, flush=True)
    assert len(set(expected.values())) == len(expected), "two records look alike"
    for name, ranks, records, settings in LAYOUTS:
        if not arguments.first <= ranks <= arguments.ranks:
            continue
        hashes = made(arguments, name, ranks, records, settings)
        different = [identifier for identifier, digest in hashes.items() if digest != expected[identifier]]
        assert not different, f"{name}: other bits than one rank: {different}"
        print(f"{name}: {len(hashes)} of {len(hashes)} SHA-256 equal", flush=True)


if __name__ == "__main__":
    main()
