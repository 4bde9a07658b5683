#!/usr/bin/env bash
# kerchunk leaves a dataset with the filter fletcher32 out of its references, with a warning and without an error: of a
# file of images and labels only the labels are there. Datasets below the size that it copies inline are kept.
# What to do: before making references take the checksum out with `h5repack -f images:GZIP=1 in.h5 out.h5`.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with kerchunk==0.2.10 zarr==3.1.6 h5py==3.16.0 fsspec==2026.9.0 numpy==2.4.6
cd "$work"
"$python" -W ignore - <<'PY'
import h5py
import numpy as np
from kerchunk.hdf import SingleHdf5ToZarr

pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype="u1")
for name, checksum in (("with.h5", True), ("without.h5", False)):
    with h5py.File(name, "w") as file:
        file.create_dataset("images", data=pixels, chunks=(1, 16, 16, 3), compression=1, fletcher32=checksum)
        file["label"] = np.arange(4, dtype="u1")

kept = {}
for name in ("with.h5", "without.h5"):
    references = SingleHdf5ToZarr(name).translate()["refs"]
    kept[name] = sorted({key.split("/")[0] for key in references if "/" in key})
    print(name, kept[name])
if kept != {"with.h5": ["label"], "without.h5": ["images", "label"]}:
    raise SystemExit("changed: what is left out")
PY
