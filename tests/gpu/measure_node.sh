#!/usr/bin/env bash
# measure_node.sh BUILD ARCHITECTURE OUT [PART ...]
# What docs/many_gpus.md says of a host with four GPUs that nobody else uses, in parts of some minutes each:
#   tests   exchanges between the GPUs, and the kernels, against their plain twins
#   bench   layouts at 1024x1024 and 2048x2048 against the floor, with kernels (5 minutes)
#   jobs    a job of 40 images as one replica and as four; one rank killed, one stopped (3 minutes)
#   bits    SHA-256 of every layout against one rank's (3 minutes)
# BUILD is the preset cuda's folder, or any with ditbatch and tests/bin; ARCHITECTURE one of tools/make_architecture.py.
set -uo pipefail
build=$(realpath "$1") architecture=$(realpath "$2")
mkdir -p "$3"
out=$(realpath "$3")
shift 3
root=$(cd "$(dirname "$0")/../.." && pwd)
mpirun="$root/tests/support/mpirun.sh" python=${DITBATCH_PYTHON:-python3}
program=$build/ditbatch
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { # NAME SECONDS COMMAND...: at most so long; its output goes to a file, its exit code is told
  local name=$1 seconds=$2 code=0
  shift 2
  timeout "$seconds" "$@" >"$out/$name.log" 2>&1 || code=$?
  echo "$name: exit $code"
}

tests() {
  for ranks in 2 3 4; do
    DITBATCH_TEST_DEVICE=cuda-each run "test_peer_exchange.$ranks" 60 "$mpirun" $ranks "$build/tests/bin/test_peer_exchange"
  done
  DITBATCH_TEST_DEVICE=cuda-each run test_tensor_comm 60 "$mpirun" 4 "$build/tests/bin/test_tensor_comm"
  for name in test_cuda_token_ops test_memset_nodes test_cuda_maps; do run $name 60 "$build/tests/bin/$name"; done
  run bench_exchange 60 "$mpirun" 4 "$build/tests/bin/bench_exchange"
  cat "$out/bench_exchange.log"
}

bench() {
  run bench_1024 330 "$mpirun" 4 "$program" bench "$root/configs/scaling_study.toml" --out "$out/1024x1024" --profile \
    --set "model.path=$architecture" --set 'bench.sizes=["1024x1024"]' --set bench.repetitions=8 --set bench.warm_up_s=4 \
    --set 'bench.layouts=[{ulysses=4},{ranks=2,ulysses=2},{cfg=2,ulysses=2,true_cfg=true},{}]'
  gzip -f "$out"/1024x1024/timeline-*.json
  run bench_2048 160 "$mpirun" 4 "$program" bench "$root/configs/scaling_study.toml" --out "$out/2048x2048" \
    --set "model.path=$architecture" --set 'bench.sizes=["2048x2048"]' --set bench.repetitions=6 --set bench.warm_up_s=4 \
    --set 'bench.layouts=[{ulysses=4}]'
  cat "$out"/bench_*.log
}

jobs() {
  run many_gpu_job 260 "$python" "$root/tests/gpu/many_gpu_job.py" "$program" "$mpirun" "$architecture" "$work/jobs" --keep "$out/jobs"
  cat "$out/many_gpu_job.log"
}

bits() {
  run full_size_bits 260 "$python" "$root/tests/gpu/full_size_bits.py" "$program" "$mpirun" "$architecture" "$work/bits" --gpus 4
  cat "$out/full_size_bits.log"
}

"$program" --version | head -n 1
nvidia-smi --query-gpu=name,uuid,driver_version,power.limit --format=csv,noheader
for part in "${@:-tests bench jobs bits}"; do
  for each in $part; do
    begun=$SECONDS
    $each
    echo "== $each took $((SECONDS - begun)) s"
  done
done
