#!/usr/bin/env bash
# datasets reads a JSON column with one integer above 2^63-1 as float64: every seed of 64 bits in it loses its low bits,
# without an error or a warning. The range of uint64 is valid JSON and what NumPy's generators take for a seed.
# What to do: write such integers as text.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with datasets==5.2.0
cd "$work"
"$python" - <<'PY'
import datasets

datasets.disable_progress_bars()
seeds = [9007199254740993, 2**63 + 5]
with open("rows.jsonl", "w") as file:
    file.writelines(f'{{"seed": {seed}}}\n' for seed in seeds)

rows = datasets.load_dataset("json", data_files="rows.jsonl", split="train")
print("type:", rows.features["seed"].dtype)
for written, row in zip(seeds, rows):
    print("written", written, "read", row["seed"], "off by", int(row["seed"]) - written)
if rows.features["seed"].dtype != "float64" or int(rows[0]["seed"]) == seeds[0]:
    raise SystemExit("changed: the integers are kept")
PY
