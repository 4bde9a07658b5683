#!/usr/bin/env python3
"""All that the parity tests compare with, in one process: importing diffusers takes longer than most of it.

    make_all_references.py SCRIPT OUT_DIR [SCRIPT OUT_DIR ...]
"""
import runpy
import sys

arguments = sys.argv[1:]
for script, out_dir in zip(arguments[::2], arguments[1::2], strict=True):
    sys.argv = [script, out_dir]
    runpy.run_path(script, run_name="__main__")
