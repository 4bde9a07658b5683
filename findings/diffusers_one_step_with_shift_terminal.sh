#!/usr/bin/env bash
# FlowMatchEulerDiscreteScheduler of diffusers, with shift_terminal set (as the configs of some video models do), gives the
# sigma NaN for one step: the first sigma is 1, and the stretch divides by 1 - 1. Two steps work. Nothing is raised.
# What to do: refuse one step where shift_terminal is set.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with diffusers==0.42.1 peft==0.21.2 transformers==5.23.0 torch==2.11.0 numpy==2.4.6 Pillow==13.0.0
cd "$work"
"$python" -W ignore - <<'PY'
import diffusers
import numpy as np

sigmas = {}
for steps in (1, 2):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift_terminal=0.02)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps))
    sigmas[steps] = scheduler.sigmas.tolist()
    print(steps, "steps: sigmas", sigmas[steps])
if not np.isnan(sigmas[1][0]) or np.isnan(sigmas[2]).any():
    raise SystemExit("changed: other sigmas")
PY
