#!/usr/bin/env python3
"""Every test that needs a GPU holds the resource lock `gpu`: two that measure or fill one card never run at once.

    tools/checks/gpu_locks.py BUILD_DIR    of the preset cuda
"""
import json
import os
import subprocess
import sys

if not os.path.exists(os.path.join(sys.argv[1], "CTestTestfile.cmake")):
    print("gpu_locks: the preset cuda is not configured here")
    sys.exit(77)
listed = subprocess.run(["ctest", "--test-dir", sys.argv[1], "--show-only=json-v1"], capture_output=True, text=True, check=True)
properties = {test["name"]: {item["name"]: item["value"] for item in test.get("properties", [])}
              for test in json.loads(listed.stdout)["tests"]}
on_gpus = [name for name, have in properties.items() if "gpu" in have.get("LABELS", [])]
faults = [name for name in on_gpus if "gpu" not in properties[name].get("RESOURCE_LOCK", [])]
for name in faults:
    print(f"gpu_locks: {name}: has the label gpu and no RESOURCE_LOCK gpu (set_tests_properties) add it")
if not faults:
    print(f"gpu_locks: {len(on_gpus)} tests on GPUs hold the lock")
sys.exit(1 if faults or not on_gpus else 0)
