#!/usr/bin/env bash
# Set-up, build, and every test that needs no GPU. With a CUDA toolkit the CUDA and NCCL code is
# compiled too. Ends with `N passed, N failed`.
#   tools/test.sh [CTest options, for example -R shard]
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh
# shellcheck source=tools/environment.sh
. tools/environment.sh

build() {
  cmake --preset "$1" >"build-$1.log" 2>&1 || { cat "build-$1.log"; exit 1; }
  cmake --build --preset "$1" "${@:2}" >>"build-$1.log" 2>&1 || { tail -n 60 "build-$1.log"; exit 1; }
  mkdir -p "build/$1" && mv "build-$1.log" "build/$1/build.log"
  echo "test: built the preset $1 in $SECONDS s"
}

build cpu
if command -v nvcc >/dev/null; then build cuda --target ditbatch gpu_tests; else echo "test: no CUDA toolkit here, the preset cuda is not built"; fi
build asan --target hostile_tests

# LibTorch registers its operators in each process: with large pages that takes 0.35 s in place of 0.41.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
# Four at once on two cores: many tests wait for processes more than they work. COST, about the seconds that a test takes,
# lets the longest begin.
failed=0
ctest --preset cpu -j 4 --output-junit "$PWD/build/cpu/results.xml" "$@" || failed=1
ctest --preset asan -j 4 --output-junit "$PWD/build/asan/results.xml" "$@" || failed=1

python3 - build/cpu/results.xml build/asan/results.xml <<'PY' || failed=1
import sys
import xml.etree.ElementTree as xml
suites = [xml.parse(path).getroot() for path in sys.argv[1:]]
total, failures, skipped = (sum(int(s.get(k, 0)) for s in suites) for k in ("tests", "failures", "skipped"))
skipped += sum(int(s.get("disabled", 0)) for s in suites)
print(f"{total - failures - skipped} passed, {failures} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failures or total == 0 else 0)
PY
exit $failed
