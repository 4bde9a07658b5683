#!/usr/bin/env bash
# Trains the demo model from nothing on one GPU, about 13 minutes: tools/train_demo/train.sh [OUT_DIR]
#   PYTHON         python with torch, diffusers, transformers, sentencepiece (default: python3)
#   VAE_MINUTES    4
#   FLOW_MINUTES   8
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:-$here/../../runs/train_demo}")
cd "$here"
python=${PYTHON:-python3}
mkdir -p "$out"
"$python" text_tokenizers.py "$out/tokenizers"
"$python" train_vae.py --out "$out/vae" --minutes "${VAE_MINUTES:-4}"
"$python" train_flow.py --work "$out/tokenizers" --vae "$out/vae" --out "$out/flow" --minutes "${FLOW_MINUTES:-8}" \
  --records ../../jobs/shapes/evaluation.jsonl
"$python" assemble.py --tokenizers "$out/tokenizers" --vae "$out/vae" --flow "$out/flow" --out "$out/pipeline"
