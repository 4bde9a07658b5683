#!/bin/sh
# Compiles through ccache: cmake/ccache.sh COMPILER ARGUMENTS...
# pch_defines and time_macros let it work beside precompiled headers; with relative paths, what one checkout compiled
# serves another. The precompiled header has 390 MB: its checksum is written beside it once, or ccache would read the
# whole of it again for every file. In depend mode no file is preprocessed before it is compiled.
export CCACHE_BASEDIR="${0%/cmake/ccache.sh}" CCACHE_PCH_EXTSUM=1
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
case $1 in
  *nvcc) ;;
  *) export CCACHE_DEPEND=1 ;;
esac
header=
for argument; do
  case $argument in *.gch) header=$argument ;; esac
done
[ -n "$header" ] || exec ccache "$@"
rm -f "$header" "$header.sum"  # one that is there already would count as included
ccache "$@" || exit
sha256sum "$header" | cut -d ' ' -f 1 >"$header.sum"
