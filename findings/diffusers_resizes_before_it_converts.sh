#!/usr/bin/env bash
# The image processor of diffusers' ControlNet pipelines resizes a PIL image in the mode of its file and converts it to RGB
# after that: an RGBA image is resized with its colours multiplied by alpha, so that what is transparent becomes black, and
# a palette image by nearest neighbour. `load_image` converts first and gives another picture of the same file. A pose or
# a mask is often such a PNG, and no warning says which of the two was meant.
# What to do: convert to RGB before the image is given to a pipeline.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with diffusers==0.42.1 peft==0.21.2 transformers==5.23.0 torch==2.11.0 numpy==2.4.6 Pillow==13.0.0
cd "$work"
"$python" -W ignore - <<'PY'
import numpy as np
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils import load_image
from PIL import Image

pixels = np.zeros((32, 32, 4), dtype="u1")
pixels[..., 0] = 255  # red, and transparent in its right half
pixels[:, :16, 3] = 255
Image.fromarray(pixels).save("pose.png")
stripes = np.zeros((32, 32, 3), dtype="u1")
stripes[:, ::3] = 255
Image.fromarray(stripes).convert("P").save("palette.png")

processor = VaeImageProcessor(do_convert_rgb=True, do_normalize=False)
largest = {}
for name in ("pose.png", "palette.png"):
    opened = processor.preprocess(Image.open(name), height=24, width=24)
    loaded = processor.preprocess(load_image(name), height=24, width=24)
    largest[name] = float((opened - loaded).abs().max())
    print(f"{name} ({Image.open(name).mode}): red at one place {float(opened[0, 0, 12, 20]):.2f} if opened by PIL, "
          f"{float(loaded[0, 0, 12, 20]):.2f} by load_image; largest difference {largest[name]:.2f}")
if min(largest.values()) < 0.1:
    raise SystemExit("changed: both ways give the same picture")
PY
