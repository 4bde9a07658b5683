#!/usr/bin/env bash
# Every C++ and CUDA file is as clang-format 14 leaves it.    tools/checks/format.sh [--fix]
set -euo pipefail
cd "$(dirname "$0")/../.."
tool=$(command -v clang-format-14 || command -v clang-format) || { echo "format: clang-format is missing (tools/setup.sh installs it)"; exit 77; }
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.cpp' '*.hpp' '*.cu' '*.cuh' | xargs ls -d 2>/dev/null)
if [ "${1:-}" = --fix ]; then exec "$tool" -i "${files[@]}"; fi
"$tool" --dry-run -Werror "${files[@]}" || { echo "format: files differ from clang-format's (tools/checks/format.sh --fix)"; exit 1; }
echo "format: ${#files[@]} files"
