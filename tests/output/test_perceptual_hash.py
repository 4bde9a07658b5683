#!/usr/bin/env python3
"""perceptual_hash() gives ImageHash's phash, bit by bit: noise, soft pictures, gradients, patterns, single colours.

    test_perceptual_hash.py HASH_IMAGES
"""
import subprocess
import sys

import imagehash
import numpy
from PIL import Image


def noise(rng, width, height):
    return rng.integers(0, 256, (height, width, 3))


def soft(rng, width, height):
    """Like a photograph: a few large shapes, blurred edges, a little grain."""
    coarse = Image.fromarray(rng.integers(0, 256, (*rng.integers(2, 12, 2), 3)).astype(numpy.uint8))
    image = numpy.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return numpy.clip(image + rng.integers(-6, 7, image.shape), 0, 255)


def images():
    rng = numpy.random.default_rng(5)
    for _ in range(120):
        yield noise(rng, *rng.integers(1, 300, 2))
    for _ in range(150):
        yield soft(rng, *rng.integers(16, 500, 2))
    for width, height in ((1024, 1024), (512, 1024), (1024, 512), (768, 1360)):
        yield soft(rng, width, height)
    for value in range(0, 256, 5):
        yield numpy.full((40 + value % 7 * 10, 64, 3), (value, 255 - value, value // 2))
        yield numpy.full((64, 33 + value, 3), value)
    for width, height in ((32, 32), (32, 100), (100, 32), (64, 64), (1, 1), (31, 33), (33, 35), (8, 500)):
        gradient = numpy.broadcast_to(numpy.linspace(0, 255, width)[None, :, None], (height, width, 3))
        yield noise(rng, width, height)
        yield gradient
        yield gradient.transpose(1, 0, 2)
        yield (numpy.add.outer(numpy.arange(height), numpy.arange(width)) // 8 % 2 * 255)[..., None] * numpy.ones(3)


def main(program):
    made = [numpy.ascontiguousarray(image).astype(numpy.uint8) for image in images()]
    sent = b"".join(numpy.array(image.shape[1::-1], dtype=numpy.int32).tobytes() + image.tobytes() for image in made)
    hashes = subprocess.run([program], input=sent, check=True, capture_output=True).stdout.decode().split()
    assert len(hashes) == len(made)
    for image, digest in zip(made, hashes):
        expected = str(imagehash.phash(Image.fromarray(image)))
        assert digest == expected, f"{image.shape}: {digest}, ImageHash says {expected}"
    colours = {digest for image, digest in zip(made, hashes) if (image == image[0, 0]).all() and image.shape[0] > 1}
    assert colours == {"8000000000000000", "0000000000000000"}, colours
    print(f"{len(made)} images: every bit as ImageHash's")


if __name__ == "__main__":
    main(sys.argv[1])
