#!/usr/bin/env bash
# webdataset ends a sample's key at the first dot of the file's name: v1.0-001.png and v1.0-002.png are one sample with
# the key "v1" and two entries, "0-001.png" and "0-002.png". No error says that samples were merged.
# What to do: no dots in the names of samples; keep the true id in the sample's JSON.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with webdataset==1.0.2 numpy==2.4.6
cd "$work"
mkdir samples
for name in v1.0-001 v1.0-002 v2-001; do
  printf 'pixels of %s' "$name" >"samples/$name.png"
  printf '{"id": "%s"}' "$name" >"samples/$name.json"
done
tar -C samples -cf samples.tar v1.0-001.png v1.0-001.json v1.0-002.png v1.0-002.json v2-001.png v2-001.json
"$python" - <<'PY'
import webdataset

samples = [(sample["__key__"], sorted(name for name in sample if not name.startswith("__")))
           for sample in webdataset.WebDataset("samples.tar", shardshuffle=False)]
for key, names in samples:
    print(key, names)
if [key for key, _ in samples] != ["v1", "v2-001"]:
    raise SystemExit("changed: other keys")
PY
