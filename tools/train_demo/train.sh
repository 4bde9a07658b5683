#!/usr/bin/env bash
# Trains the demo model from nothing on one GPU, about 20 minutes: tools/train_demo/train.sh [OUT_DIR]
#   PYTHON         python with torch, diffusers, transformers, sentencepiece (default: python3)
#   VAE_MINUTES    2.25
#   FLOW_MINUTES   8, twice; the second run goes on from the first
# Every step can run alone, on another machine: each hands over files of at most 16 MiB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:-$here/../../runs/train_demo}")
cd "$here"
python=${PYTHON:-python3}
mkdir -p "$out"
flow() { "$python" train_flow.py --work "$out/tokenizers" --vae "$out/vae" --minutes "${FLOW_MINUTES:-8}" \
  --records ../../jobs/shapes/evaluation.jsonl "$@"; }
"$python" text_tokenizers.py "$out/tokenizers"
"$python" train_vae.py --out "$out/vae" --minutes "${VAE_MINUTES:-2.25}"
flow --out "$out/flow-1" --seed 21 --rates 2e-3 1.5e-3
flow --out "$out/flow-2" --seed 22 --rates 1.5e-3 1e-5 --start "$out/flow-1"
"$python" assemble.py --tokenizers "$out/tokenizers" --vae "$out/vae" --flow "$out/flow-2" --out "$out/pipeline"
