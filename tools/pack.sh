#!/usr/bin/env bash
# Packs a build into a folder that can be moved: the program and the libraries that a cluster node lacks,
# for clusters without a network.
#   tools/pack.sh OUT_DIR [PRESET]        PRESET: cpu (default), cuda
# OUT_DIR holds bin/ditbatch, lib/ and share/. Not packed, since they belong to the machine: libc and
# libstdc++ (as new as on the machine that built; both versions are told), MPI (the same major version of
# the same kind), and the GPU driver.
set -euo pipefail
[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n 2,7p "$0"; exit 64; }
out=$(realpath -m "$1")
preset=${2:-cpu}
cd "$(dirname "$0")/.."
build=build/$preset

fail() { printf 'pack: %s\n' "$*" >&2; exit 69; }
[ -x "$build/ditbatch" ] || fail "$build/ditbatch is missing (a build is packed) cmake --preset $preset && cmake --build --preset $preset --target ditbatch"
command -v patchelf >/dev/null || fail "patchelf is missing (libraries must find each other where they are moved) install it"
[ ! -e "$out" ] || [ -z "$(ls -A "$out")" ] || fail "$out is not empty (old libraries would be mixed with new ones) remove it, or name another folder"

of_the_machine() {  # is it a library that the machine brings along?
  case $1 in
    ld-linux*|libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*|libutil.so.*|libresolv.so.*) ;;
    libstdc++.so.*|libgcc_s.so.*) ;;
    libmpi.so.*|libmpi_*|libmpich.so.*|libfabric.so.*|libucp.so.*) ;;
    libcuda.so.*|libnvidia-*) ;;
    *) return 1 ;;
  esac
}

cmake --install "$build" --prefix "$out" --strip >/dev/null
mkdir -p "$out/lib"

# What the dynamic linker would load, by name; of that, what the program itself asks for and what those ask
# for, but nothing that only the machine's own libraries need.
declare -A path_of
learn_paths() {
  local name path
  while read -r name _ path _; do
    case $path in /*) path_of[$name]=${path_of[$name]:-$path} ;; esac
  done < <(ldd "$1")
}
learn_paths "$build/ditbatch"
needed_by() { patchelf --print-needed "$1"; }

take() {  # copies a library under its name and asks what it needs
  local name=$1 from=$2
  [ ! -e "$out/lib/$name" ] || return 0
  cp -L "$from" "$out/lib/$name"
  chmod u=rwX,go=rX "$out/lib/$name"
  todo+=("$out/lib/$name")
  # Opened by name while the program runs, so that no list of needed libraries has them.
  case $name in
    libcudnn.so.*|libnvrtc.so.*|libtorch_cuda.so)
      local also
      for also in "$(dirname "$from")"/{libcudnn_*.so.*,libnvrtc-builtins.so.*,libcaffe2_nvrtc.so}; do
        [ -e "$also" ] || continue
        learn_paths "$also"
        take "$(basename "$also")" "$also"
      done ;;
  esac
}

todo=("$build/ditbatch")
while [ ${#todo[@]} -gt 0 ]; do
  file=${todo[-1]}
  unset 'todo[-1]'
  while read -r name; do
    if of_the_machine "$name"; then continue; fi
    [ -n "${path_of[$name]:-}" ] || fail "$name is not found (needed by $file) look at ldd $build/ditbatch"
    take "$name" "${path_of[$name]}"
  done < <(needed_by "$file")
done

patchelf --set-rpath '$ORIGIN/../lib' "$out/bin/ditbatch"
for library in "$out"/lib/*; do patchelf --set-rpath '$ORIGIN' "$library"; done

# The proof: with no help, nothing is taken from anywhere but the folder and the machine.
while read -r name _ path _; do
  if of_the_machine "$name"; then continue; fi
  case $path in
    "$out"/*) ;;
    not) fail "$name is not found from $out/bin/ditbatch" ;;
    /*) [ ! -e "$out/lib/$name" ] || fail "$name is taken from $path instead of $out/lib" ;;
  esac
done < <(env -u LD_LIBRARY_PATH ldd "$out/bin/ditbatch")

newest() {  # GLIBC or GLIBCXX: the newest version that any packed file asks for
  grep -aohE "\b$1_[0-9]+\.[0-9]+(\.[0-9]+)?" "$out/bin/ditbatch" "$out"/lib/* | sort -uV | tail -n 1
}
printf 'pack: %s: %s in %s libraries and the program\n' "$out" "$(du -sh "$out" | cut -f 1)" "$(ls "$out/lib" | wc -l)"
printf 'pack: needs of the machine: %s, %s, %s\n' "$(newest GLIBC)" "$(newest GLIBCXX)" "$(needed_by "$out/bin/ditbatch" | grep -m 1 mpi)$([ "$preset" != cuda ] || echo ", a GPU driver")"
