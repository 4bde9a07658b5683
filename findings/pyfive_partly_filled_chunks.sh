#!/usr/bin/env bash
# pyfive reads no variable-length text from a chunk that is only partly used: 6 rows in chunks of 4 end in an
# AssertionError, 8 rows in chunks of 4 are read. h5py and h5dump read both. A growing file keeps the chunk it began
# with, so most files that were written row by row have such a last chunk.
# What to do: write text columns of a finished file with a chunk that divides the number of rows.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with pyfive==1.3.0 h5py==3.16.0 numpy==2.4.6
cd "$work"
"$python" - <<'PY'
import h5py
import pyfive

for rows in (6, 8):
    with h5py.File(f"{rows}.h5", "w") as file:
        file.create_dataset("prompt", data=[f"row {i}" for i in range(rows)], dtype=h5py.string_dtype(), chunks=(4,))

with h5py.File("6.h5") as file:
    assert file["prompt"].asstr()[:].tolist() == [f"row {i}" for i in range(6)]
print("pyfive, 8 rows in chunks of 4:", pyfive.File("8.h5")["prompt"][:][7])
try:
    print("pyfive, 6 rows in chunks of 4:", pyfive.File("6.h5")["prompt"][:][5])
except AssertionError:
    print("pyfive, 6 rows in chunks of 4: AssertionError")
else:
    raise SystemExit("changed: partly filled chunks are read")
PY
