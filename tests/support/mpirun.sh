#!/usr/bin/env bash
# mpirun.sh RANKS PROGRAM [ARGS...]: MPI ranks on this machine, more than it has cores if need be.
set -euo pipefail
ranks=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_btl_base_warn_component_unused=0 OMP_NUM_THREADS=1
exec mpirun --oversubscribe --bind-to none -n "$ranks" "$@"
