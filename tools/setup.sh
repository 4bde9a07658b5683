#!/usr/bin/env bash
# Brings a fresh Debian 12 to a state where ditbatch builds; safe to run again.
#   tools/setup.sh            what the build, the demo and the tests need
#   tools/setup.sh --program  what the program alone needs: no diffusers, no test libraries, and without
#                             a CUDA toolkit only the few libraries that libtorch_cpu.so wants
# Python packages go to .deps/venv (ignored by git; DITBATCH_DEPS names another folder), as links to files that uv keeps
# in ~/.cache/uv (UV_CACHE_DIR names another): a second checkout has them in seconds. Elsewhere than on Debian, or without
# root: have MPI, HDF5 and the rest from modules; CMake says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
scope=${1:---all}
case $scope in --all | --program) ;; *) echo "setup: no option $scope (--program is one)" >&2; exit 64 ;; esac
deps=${DITBATCH_DEPS:-$PWD/.deps}
torch_version=2.11.0

say() { printf 'setup: %s\n' "$*"; }

debian_packages=(build-essential cmake ninja-build ccache git pkg-config ca-certificates
  openmpi-bin libopenmpi-dev libhdf5-dev libssl-dev libpng-dev libutf8proc-dev
  libtomlplusplus-dev libcli11-dev libspdlog-dev rapidjson-dev nlohmann-json3-dev
  python3 python3-venv)
[ "$scope" = --program ] || debian_packages+=(libboost-test-dev hdf5-tools patchelf clang-format-14 clang-tidy-16
  slurmctld slurmd slurm-client munge libpmix-dev iproute2)

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${debian_packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
else
  say "not a Debian: expecting MPI, HDF5 and the header libraries from modules"
fi
if [ ${#missing[@]} -gt 0 ]; then
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "missing packages: ${missing[*]} (neither root nor sudo here) ask an administrator"; exit 69; }
    sudo=(sudo)
  fi
  say "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$deps"
python=$deps/venv/bin/python
[ -x "$python" ] || python3 -m venv "$deps/venv"
# uv in place of pip: a quarter of the processor time, and it keeps what it unpacked. From the index that pip is set to.
[ -x "$deps/venv/bin/uv" ] || "$python" -m pip install -q uv
index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
install() { "$deps/venv/bin/uv" pip install -q --python "$python" "$@"; }
has() { "$python" -m pip show -q "$1" 2>/dev/null; }
installed_torch() { "$python" -m pip list --format freeze 2>/dev/null | sed -n 's/^torch==//p'; }

if [ "$scope" = --program ] && ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
  if [ "$(installed_torch)" != "$torch_version" ]; then
    say "LibTorch $torch_version, CPU part"
    install --no-deps "torch==$torch_version" 'nvidia-cuda-cupti~=13.0.0' 'nvidia-cuda-runtime~=13.0.0'
  fi
elif [ "$(installed_torch)" != "$torch_version" ] || ! has sympy; then
  say "LibTorch $torch_version with its CUDA libraries (4.7 GB)"
  install "torch==$torch_version" numpy
fi

if [ "$scope" != --program ]; then
  stamp=$deps/venv/.requirements
  if ! cmp -s tools/requirements.txt "$stamp" 2>/dev/null; then
    say "Python packages for tests and demo"
    install -r tools/requirements.txt
    cp tools/requirements.txt "$stamp"
  fi
fi
say "ready"
