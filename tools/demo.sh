#!/usr/bin/env bash
# Set-up, build, and a whole job on 4 local MPI ranks: 64 prompts become shards, a summary, and a contact sheet to look at.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh
# shellcheck source=tools/environment.sh
. tools/environment.sh

cmake --preset cpu >/dev/null
cmake --build --preset cpu --target ditbatch | tail -n 1

out=runs/demo
rm -rf "$out"
build/cpu/ditbatch check configs/demo.toml --ranks 4
mpirun --oversubscribe --bind-to none -n 4 build/cpu/ditbatch run configs/demo.toml
build/cpu/ditbatch verify "$out/run"
"$DITBATCH_PYTHON" tools/contact_sheet.py "$out/run" "$out/contact_sheet.png"
echo "demo: shards in $out/run/shards, summary in $out/run/sessions/0001/summary.json, pictures in $out/contact_sheet.png"
