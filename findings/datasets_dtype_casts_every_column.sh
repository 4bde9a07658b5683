#!/usr/bin/env bash
# datasets' with_format(..., dtype=uint8), the fast way to get images as arrays, casts every numeric column and not only the
# images': seeds and indices come back modulo 256, without an error or a warning.
# What to do: name the columns, with_format("numpy", columns=["images"], dtype=...), or leave dtype out.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with datasets==5.2.0
cd "$work"
"$python" - <<'PY'
import datasets
import numpy

features = datasets.Features({"seed": datasets.Value("uint64"), "images": datasets.Array3D((2, 2, 3), "uint8")})
seeds = [7, 256, 70001]
rows = datasets.Dataset.from_dict({"seed": seeds, "images": [numpy.full((2, 2, 3), 9, "uint8")] * 3}, features=features)

plain = rows.with_format("numpy")[:]
cast = rows.with_format("numpy", dtype=numpy.uint8)[:]
named = rows.with_format("numpy", columns=["images"], dtype=numpy.uint8, output_all_columns=True)[:]
print("written         ", seeds)
print("without dtype   ", plain["seed"].tolist(), plain["seed"].dtype)
print("dtype=uint8     ", cast["seed"].tolist(), cast["seed"].dtype)
print("columns named   ", [int(seed) for seed in named["seed"]])
if cast["seed"].tolist() == seeds or plain["seed"].tolist() != seeds:
    raise SystemExit("changed: the seeds are kept")
PY
