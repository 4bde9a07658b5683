#!/usr/bin/env bash
# datasets takes the shape of the first HDF5 file for all: portraits of 4x6 after landscapes of 6x4 are loaded as
# landscapes, their pixels in another order, without an error or a warning.
# What to do: load one folder of one size at a time.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with datasets==5.2.0 h5py==3.16.0 numpy==2.4.6
cd "$work"
"$python" - <<'PY'
import datasets
import h5py
import numpy as np

datasets.disable_progress_bars()
landscape = np.arange(24, dtype="u1").reshape(1, 4, 6)
portrait = np.arange(100, 124, dtype="u1").reshape(1, 6, 4)
for name, pixels in (("a.h5", landscape), ("b.h5", portrait)):
    with h5py.File(name, "w") as file:
        file["images"] = pixels

rows = datasets.load_dataset("hdf5", data_files=["a.h5", "b.h5"], split="train")
loaded = np.asarray(rows[1]["images"])
print("stored as", portrait[0].shape, "loaded as", loaded.shape)
print("second row stored:", portrait[0][1].tolist(), "loaded:", loaded[1].tolist())
if loaded.shape != (4, 6):
    raise SystemExit("changed: the second file keeps its shape")
PY
