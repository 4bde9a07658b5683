#!/usr/bin/env bash
# time_load.sh DITBATCH FOLDER [full|tiny] [RANKS [--set=KEY=VALUE ...]]
# From the start of the process to the first image, with a checkpoint of FLUX.1-dev's size that lies in the page cache.
# FOLDER holds 34 GB: /dev/shm/load where memory allows, else a disk's folder. Prints for each of three starts how fast
# the weights came, when the first image was there, and how long each phase took. DEVICE=cpu tries the script itself.
set -euo pipefail
program=$(realpath "$1") folder=$2 size=${3:-full} ranks=${4:-1}
shift $(($# < 4 ? $# : 4))
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${DITBATCH_PYTHON:-python3}
pixels=1024
[ "$size" = full ] || pixels=64

mkdir -p "$folder"
if [ ! -f "$folder/model.made" ]; then
  "$python" "$root/tests/gpu/make_full_checkpoint.py" "$folder/model" --size "$size"
  touch "$folder/model.made"
fi
cat "$folder"/model/*/*.safetensors >/dev/null  # into the page cache

cat >"$folder/manifest.jsonl" <<END
{"id": "first", "prompt": "a red circle above a blue square", "width": $pixels, "height": $pixels, "steps": 4, "seed": 1}
END
cat >"$folder/job.toml" <<END
[job]
manifest = "manifest.jsonl"
run_dir = "run"
[model]
path = "model"
dtype = "bf16"
[runtime]
device = "${DEVICE:-cuda}"
END
for start in 1 2 3; do
  rm -rf "$folder/run"
  launcher=()
  [ "$ranks" = 1 ] || launcher=("$root/tests/support/mpirun.sh" "$ranks")
  echo "--- start $start, $ranks rank(s)"
  begin=$(date +%s.%N)
  "${launcher[@]}" "$program" run "$folder/job.toml" "$@" 2>&1 |
    grep -E "loaded in|first image|error|cause|^  [a-z]" || true
  echo "$begin $(date +%s.%N)" | awk '{printf "process: %.2f s\n", $2 - $1}'
done
