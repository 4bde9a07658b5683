#!/usr/bin/env bash
# Nobody asks whether DITBATCH_CUDA is defined: it is 1 or 0 in the files that CMake names to ditbatch_cuda_files(),
# and undefined, an error of `#if`, in all others. `#ifdef` would quietly leave the CUDA part out there.
set -euo pipefail
cd "$(dirname "$0")/../.."
if git grep -nE '(ifdef|ifndef|defined *\(?) *DITBATCH_CUDA\b' -- '*.cpp' '*.hpp' '*.cu' '*.cuh'; then
  echo "cuda_files: write #if DITBATCH_CUDA, and name the file to ditbatch_cuda_files()"
  exit 1
fi
echo "cuda_files: $(git grep -l 'if DITBATCH_CUDA' -- src tests | wc -l) files ask for DITBATCH_CUDA by its value"
