#!/usr/bin/env bash
# xarray with the engine h5netcdf does not open a file that has a column of variable-length floats, if cftime is
# installed: looking for dates it takes the first row of every object column for one value, and a row of two floats
# raises "can only convert an array of size 1". decode_cf=False does not help. The engine netcdf4 reads the same file.
# What to do: engine="netcdf4", or drop_variables=[that column]; or write rectangular columns padded with NaN.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with xarray==2026.9.0 h5netcdf==1.8.2 h5py==3.16.0 cftime==1.6.6 netCDF4==1.7.5.1 numpy==2.4.6
cd "$work"
"$python" -W ignore - <<'PY'
import h5py
import numpy as np
import xarray

with h5py.File("rows.h5", "w") as file:
    file["seed"] = np.arange(3, dtype="u8")
    times = file.create_dataset("times_s", (3,), dtype=h5py.vlen_dtype("f4"))
    for row in range(3):
        times[row] = np.array([0.5, 1.5], dtype="f4")

print("netcdf4:", list(xarray.open_dataset("rows.h5", engine="netcdf4").data_vars))
print("h5netcdf without the column:",
      list(xarray.open_dataset("rows.h5", engine="h5netcdf", drop_variables=["times_s"]).data_vars))
for options in ({}, {"decode_cf": False}):
    try:
        xarray.open_dataset("rows.h5", engine="h5netcdf", **options)
    except ValueError as error:
        print("h5netcdf", options, "ValueError:", error)
        assert "size 1" in str(error)
    else:
        raise SystemExit("changed: h5netcdf opens the file")
PY
