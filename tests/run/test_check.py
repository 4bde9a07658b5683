#!/usr/bin/env python3
"""What `ditbatch check` says before a job: what is perhaps not meant, what the run folder holds, and ok or not in the last
line; what the job itself says of the same; and command lines that cannot be understood.

    test_check.py DITBATCH MPIRUN_SH WORK_DIR
"""
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "faults")]
from fault_job import FaultJob, copy_pipeline  # noqa: E402

PROGRAM, MPIRUN, WORK = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
LONG = "a fox and " * 40  # more than 77 tokens
ODD = [
    (dict(id="a", prompt="a fox", negative_prompt="rain"), "negative_prompt has no effect"),
    (dict(id="b", prompt="a fox", true_cfg_scale=3.0), "true_cfg_scale has no effect"),
    (dict(id="c", prompt="a fox", negative_prompt_2="rain"), "negative_prompt_2 has no effect"),
    (dict(id="d", prompt="a fox", steps=1), "one step gives hardly more than noise"),
    (dict(id="e", prompt="a fox", seed=2**64 - 1, num_images=2), "the seed went beyond 18446744073709551615"),
    (dict(id="f", prompt=" "), "the prompt is empty"),
    (dict(id="g", prompt="a (red:1.3) fox"), "the prompt looks weighted"),
    (dict(id="h", prompt=LONG, num_images=2), "text_encoder reads fewer tokens than the prompt has"),
    (dict(id="A", prompt="a fox"), "the id differs from another's by capitals alone"),
]
RECORDS = [dict(dict(width=64, height=64, steps=2), **record) for record, _ in ODD]


def call(*arguments, expect=0):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == expect, f"{arguments}: exit {done.returncode}, not {expect}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def job(name, records, pipeline="pipeline", toml=""):
    made = FaultJob(PROGRAM, MPIRUN, WORK / name, WORK / pipeline, records, toml)
    config = made.folder / "job.toml"
    config.write_text(config.read_text().replace('dtype = "fp32"\n', ""))
    return made, config


def odd_records():
    made, config = job("odd", RECORDS, toml="[mesh]\ncfg = 2\n")
    said = call("check", config)
    for number, (record, what) in enumerate(ODD, 1):
        more = " and 1 more" if what.startswith("text_encoder") else ""
        line = f"perhaps     {made.folder}/manifest.jsonl:{number}: {record['id']}[{1 if 'seed' in record else 0}]{more}: {what}"
        assert line in said, f"{line}\n{said}"
    assert "[mesh] cfg = 2 leaves half of the ranks without denoising" in said, said
    assert said.endswith("ok: 11 images to make\n") and "dtype       fp32 (auto" in said, said
    assert not (made.folder / "run").exists(), "check wrote something"
    few = call("check", config, "--set=mesh.replicas=20", "--ranks", "40")
    assert "there are more replicas than images (20, 11" in few, few
    _, schnell = job("without-guidance", [dict(RECORDS[0], guidance_scale=7.5)], "schnell")
    assert "guidance_scale has no effect" in call("check", schnell)
    return made


def the_job_itself(made):
    """Says the same once at its start, in its summary, and how much its limit left."""
    errors, _ = made.run(2, "--limit", "8")
    summary = json.loads((made.folder / "run/sessions/0001/summary.json").read_text())
    assert len(summary["notices"]) == len(ODD) + 2 and all(errors.count(notice) == 2 for notice in summary["notices"]), errors
    assert "8/11 images" in errors and "3 left" in errors, errors
    errors, _ = made.run(1, "--set=mesh.cfg=1")
    assert "2 of them have prompts that were cut" in errors and "11/11 images" in errors, errors
    assert "in fp32 on" in errors, errors


def the_folder(made):
    config, manifest, run = made.folder / "job.toml", made.folder / "manifest.jsonl", made.folder / "run"
    said = call("check", config)
    assert said.endswith("ok: there is nothing to make\n") and "11 made, 0 to make" in said, said
    lines = [dict(record) for record in RECORDS]
    lines[0]["prompt"] = "a wolf"
    lines.append(dict(RECORDS[0], id="new", num_images=3))
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = call("check", config, expect=65)
    assert "11 made, 3 to make" in said and "about 0.000 GB by the shards that are there" in said and "hours on 2 ranks" in said, said
    assert "manifest.jsonl:1: a[0]: was made from another record or checkpoint (prompt was 'a fox', is 'a wolf')" in said, said
    assert said.endswith("not ok: a job would end without making anything, for the reasons above\n"), said
    assert "ok: the input is sound" in call("check", config, "--input-only")
    # Images of one folder stay of one dtype, unless it is said.
    said = call("check", config, "--set=model.dtype=bf16", expect=65)
    assert "(prompt was 'a fox', is 'a wolf'; dtype was fp32, is bf16)" in said and "(dtype was fp32, is bf16)" in said, said
    (run / "STOP").touch()
    assert "STOP: is there (a job that finds it ends at once) remove it" in call("check", config, expect=65)
    (run / "STOP").unlink()
    assert "is no folder (the run folder is to be" in call("check", config, f"--set=job.run_dir={manifest}", expect=65)
    (run / ".work" / "lock").mkdir()
    assert "lock: is no plain file" in made.run(2, expect=65)[0]
    (run / ".work" / "lock").rmdir()


def wrong_folders(made):
    """Nothing is found in them, which is no reason to be content; and nothing is made in them."""
    run, empty = made.folder / "run", WORK / "empty"
    empty.mkdir()
    cases = [("verify", folder, says) for folder, says in (
        (empty, "has neither shards/ nor sessions/) name what"), (run / "shards", f"is {run} meant?"),
        (made.folder / "job.toml", "it is a file"), (WORK / "none", "no such folder"))]
    cases += [(command, made.folder, f"is {run} meant?") for command in ("status", "repair", "upgrade", "compare", "export")]
    for command, folder, says in cases:
        more = [run] if command == "compare" else ["--out", WORK / "out"] if command == "export" else []
        said = call(command, folder, *more, expect=74)
        assert says in said, f"{command}: {said}"
    assert not list(empty.iterdir()) and not (run / "shards" / ".work").exists()


def command_lines(config):
    for command, option, value in (("run", "--limit", "0"), ("run", "--limit", "-1"), ("run", "--max-hours", "nan"), ("check", "--ranks", "-3")):
        assert "is no number above 0" in call(command, config, option, value, expect=64)
    assert "did you mean run?" in call("rnu", config, expect=64)
    assert "dryrun: did you mean --dry-run?" in call("run", config, "--dryrun", expect=64)
    assert "--max-hours" in call("help", "run") and "verify" in call("help")


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    copy_pipeline("d", "dev", "json", 5, WORK / "pipeline")
    copy_pipeline("b", "schnell", "legacy", 7, WORK / "schnell")
    made = odd_records()
    the_job_itself(made)
    the_folder(made)
    wrong_folders(made)
    command_lines(made.folder / "job.toml")
    print(f"{len(ODD) + 3} things that are perhaps not meant, each told by check, at the start and in the summary; the folder; the verdict")


if __name__ == "__main__":
    main()
