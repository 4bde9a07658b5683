#!/usr/bin/env python3
"""tools/make_manifest.py: what pandas, pyarrow and people write becomes a manifest that ditbatch takes, with ids that stay.

    test_make_manifest.py DITBATCH WORK_DIR

What is made goes through `ditbatch check`; one is made to pictures, and the shard says what was asked.
"""
import contextlib
import datetime
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import unittest

import h5py
import pandas
import pyarrow
import pyarrow.parquet

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]
import make_manifest  # noqa: E402
from manifest_tools.fields import FIELDS, OTHER_NAMES  # noqa: E402
from manifest_tools.values import OF_KIND  # noqa: E402
import reference  # noqa: E402
from pipelines import copy_pipeline  # noqa: E402

PROGRAM, WORK = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2]).resolve()
CHECKED = {}  # records by id


def tool(*arguments):
    """In this process, which is quicker."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = make_manifest.main(list(map(str, arguments)))
    return subprocess.CompletedProcess(arguments, code, "", said.getvalue())


def plain_python(*arguments):
    """The command, by a Python without any package, as people have it."""
    return subprocess.run([sys.executable, "-S", ROOT / "tools" / "make_manifest.py", *map(str, arguments)], capture_output=True, encoding="utf-8")


def write(name, content):
    content = content if isinstance(content, bytes) else content.encode()
    (WORK / name).write_bytes(content)
    return name


def made(*arguments, out="made.jsonl", by=tool):
    """-> records, what was said"""
    done = by(*arguments, "-o", out)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (WORK / out).read_text(encoding="utf-8").split("\n") if line], done.stderr


def settings(out):
    return [f"--set=job.manifest={WORK / out}", f"--set=job.run_dir={WORK / 'run'}"]


def checked(records):
    """The program takes them, and counts as many images: asked once for all that were made, since each question takes it half a second."""
    CHECKED.update({record["id"]: record for record in records})
    return records


def tearDownModule():
    write("all.jsonl", "".join(json.dumps(record) + "\n" for record in CHECKED.values()))
    done = subprocess.run([PROGRAM, "check", WORK / "job.toml", *settings("all.jsonl")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"all.jsonl: {sum(record.get('num_images', 1) for record in CHECKED.values())} images" in done.stdout, done.stdout


class Tables(unittest.TestCase):
    PROMPTS = ['a "fox", in\nsnow', "naïve 東京 🦊", "a; b\tc\u2028d", "'single', {braces}"]
    SEEDS = [2**64 - 1, 2**63 + 5, 0, 9007199254740993]

    def frame(self):
        """A whole number among gaps is 1.0 in pandas; one row has no prompt."""
        return pandas.DataFrame({"caption": [*self.PROMPTS, None], "num_inference_steps": [1, None, 1, 1, 1],
                                 "seed": pandas.array([*self.SEEDS, 1], "UInt64"), "neg_prompt": ["blurry", None, None, "nan", None],
                                 "size": ["16x32"] * 5, "score": [0.5, None, 2, 3, 4]})

    def expected(self):
        steps, scores = [1, None, 1, 1], [0.5, None, 2.0, 3.0]
        return [{"prompt": prompt, "seed": seed, "width": 16, "height": 32, **({"steps": 1} if step else {}),
                 **({"negative_prompt": "blurry"} if prompt == self.PROMPTS[0] else {}), **({"metadata": {"score": score}} if score else {})}
                for prompt, seed, step, score in zip(self.PROMPTS, self.SEEDS, steps, scores)]

    def test_csv_of_pandas_becomes_the_pictures_that_were_asked_for(self):
        self.frame().to_csv(WORK / "pandas.csv")
        records, said = made("pandas.csv", "--skip-empty", out="pandas.jsonl", by=plain_python)
        for line in ('prompt from "caption"', 'steps from "num_inference_steps"', 'under metadata: "score"', 'left out: "" (numbers of rows)',
                     "rows left out, without a prompt: 1 (pandas.csv:7)", "4 records, 4 images, of 5 rows"):
            self.assertIn(line, said)
        run = subprocess.run([PROGRAM, "run", WORK / "job.toml", *settings("pandas.jsonl")], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        with h5py.File(WORK / "run/shards/16x32/000000.h5") as file:
            texts = {name: file[name].asstr()[:] for name in ("id", "prompt", "negative_prompt", "metadata")}
            rows = {row[0]: row[1:] for row in zip(texts["id"], texts["prompt"], file["seed"][:].tolist(), file["steps"][:].tolist(),
                                                   texts["negative_prompt"], map(json.loads, texts["metadata"]))}
        wanted = {record["id"]: (asked["prompt"], asked["seed"], asked.get("steps", 2), asked.get("negative_prompt", ""),
                                 {name: str(value) for name, value in asked.get("metadata", {}).items()})
                  for record, asked in zip(records, self.expected(), strict=True)}
        self.assertEqual(rows, wanted)

    def test_parquet_and_json_ask_for_the_same_as_csv(self):
        frame = self.frame()
        frame["seed"] = frame["seed"].astype("uint64")
        frame["image"] = [b"\x89PNG"] * 5
        frame.to_parquet(WORK / "pandas.parquet")
        frame = frame.drop(columns="image")
        frame.to_json(WORK / "rows.json", orient="records", indent=1)
        frame.to_json(WORK / "lines.jsonl", orient="records", lines=True)
        frame.to_json(WORK / "columns.json")
        (WORK / "within.json").write_text(json.dumps({"version": 2, "prompts": json.loads((WORK / "rows.json").read_text())}))
        alone, _ = made(write("alone.jsonl", '{"prompt": "a", "source": {"page": 3}}'))
        self.assertEqual((alone[0]["prompt"], alone[0]["metadata"]), ("a", {"source": {"page": 3}}))
        for name in ("pandas.parquet", "rows.json", "lines.jsonl", "columns.json", "within.json"):
            records, said = made(name, "--skip-empty")
            self.assertEqual([{key: value for key, value in record.items() if key != "id"} for record in records], self.expected(), name)
            self.assertEqual('column "image" holds bytes: not read' in said, name.endswith(".parquet"))
        checked(records)
        self.frame().to_csv(WORK / "same.csv", index=False)
        self.assertEqual([record["id"] for record in made("same.csv", "--skip-empty")[0]], [record["id"] for record in records])

    def test_parquet_types(self):
        when = datetime.datetime(2024, 5, 1, 12)
        table = pyarrow.table({"prompt": pyarrow.array(["a", "b"]).dictionary_encode(), "tags": [["x", "y"], None],
                               "n": pyarrow.array([2, None], pyarrow.int8()), "guidance": pyarrow.array([3.5, float("nan")], pyarrow.float32()),
                               "when": [when, None], "deep": [{"k": [1.5, float("nan")]}, None]})
        pyarrow.parquet.write_table(table, WORK / "types.parquet")
        records, _ = made("types.parquet")
        first = {"prompt": "a", "tags": ["x", "y"], "num_images": 2, "guidance_scale": 3.5,
                 "metadata": {"when": when.isoformat(), "deep": {"k": [1.5, None]}}}
        self.assertEqual([{key: value for key, value in record.items() if key != "id"} for record in checked(records)], [first, {"prompt": "b"}])

    def test_encodings_and_packing_change_nothing(self):
        text = "prompt;seed\r\n" + "".join(f'"{prompt}";{seed}\r\n' for prompt, seed in (("größe; 東京", 1), ("b", 2)))
        plain, _ = made(write("plain.csv", text))
        self.assertEqual(plain[0]["prompt"], "größe; 東京")
        forms = {"bom.csv": text.encode("utf-8-sig"), "utf16.csv": text.encode("utf-16"), "utf16be.csv": b"\xfe\xff" + text.encode("utf-16-be"),
                 "bare16.csv": text.encode("utf-16-le"), "packed.csv.gz": gzip.compress(text.encode())}
        for name, data in forms.items():
            records, said = made(write(name, data))
            self.assertEqual(records, plain, name)
            self.assertRegex(said, "byte order mark|UTF-16|gzip")
        latin = write("latin.csv", "prompt\na\ngröße\n".encode("latin-1"))
        self.assertIn("latin.csv:3: is not UTF-8", tool(latin, "-o", "made.jsonl").stderr)
        self.assertEqual(made(latin, "--encoding", "latin-1")[0][1]["prompt"], "größe")

    def test_text(self):
        records, said = made(write("prompts.txt", "\ufeffa fox\r\n\n  a hen  \na cow --steps 4\n"))
        self.assertEqual([record["prompt"] for record in checked(records)], ["a fox", "a hen", "a cow --steps 4"])
        self.assertIn("empty lines skipped: 1", said)
        self.assertIn("first: prompts.txt:4", said)

    def test_tsv_without_quotes_and_without_names(self):
        rows = '"Hello" on a sign\t7\n5" nails\t8\n'
        self.assertIn("raw.tsv:1: bad quotes", tool(write("raw.tsv", rows), "--columns", "prompt,seed", "-o", "made.jsonl").stderr)
        records, _ = made("raw.tsv", "--columns", "prompt,seed", "--no-quotes")
        self.assertEqual([(record["prompt"], record["seed"]) for record in checked(records)], [('"Hello" on a sign', 7), ('5" nails', 8)])


class Names(unittest.TestCase):
    GOOD = {"seed": 7, "num_images": 2, "width": 64, "height": 32, "size": "64x32", "steps": 3, "guidance_scale": 2.5, "true_cfg_scale": 1.5,
            "max_sequence_length": 64, "tags": ["a"], "negative_prompt": "no"}

    def test_every_name_of_another_tool(self):
        """Each in a table of its own, since one table has a meaning for a name; the program takes all their records."""
        records, tables = [], []
        for field, names in OTHER_NAMES.items():
            for name in names.split():
                value = self.GOOD.get(field, "text of " + name)
                row = {name: value} if field == "prompt" else {"prompt": "x " + name, name: value}
                tables.append((field, value, write(f"name_{name}.json", json.dumps([row]))))
        for style in ("Negative Prompt", "negativePrompt", "NEGATIVE-PROMPT"):
            tables.append(("negative_prompt", "no", write(f"{style}.json", json.dumps([{"prompt": style, style: "no"}]))))
        for field, value, name in tables:
            [record], _ = made(name)
            self.assertEqual((record["width"], record["height"]) if field == "size" else record[field], (64, 32) if field == "size" else value, name)
            self.assertLessEqual(set(record), set(FIELDS))
            records.append(record)
        checked(records)

    def test_fields_are_those_of_the_program(self):
        described = {row["field"] for table in reference.tables()["Manifest"] for row in table}
        self.assertEqual(set(FIELDS), described - {"loras", "control"})  # these are for later
        self.assertLessEqual(set(FIELDS) - {"metadata"}, set(OF_KIND))

    def test_two_columns_for_one_field(self):
        both = write("both.csv", "caption,text,prompt\na,b,c\n")
        records, said = made(both)
        self.assertEqual((records[0]["prompt"], records[0]["metadata"]), ("c", {"caption": "a", "text": "b"}))
        self.assertIn('"caption" (prompt comes from "prompt")', said)
        refused = tool(write("either.csv", "caption,text\na,b\n"), "-o", "made.jsonl")
        self.assertEqual((refused.returncode, "both mean it" in refused.stderr), (65, True), refused.stderr)
        [record], _ = made("either.csv", "--map", "text=prompt", "--drop", "caption")
        self.assertEqual((record["prompt"], "metadata" in record), ("b", False))


class StableIds(unittest.TestCase):
    def rows(self, count):
        return [{"prompt": f"animal {i % 40}", "seed": i, "cfg_scale": i / 2, "note": f"n{i}"} for i in range(count)]

    def ids(self, rows, *options):
        pandas.DataFrame(rows).to_csv(WORK / "stable.csv", index=False)
        records, said = made("stable.csv", *options)
        return {(record["prompt"], record["seed"]): record["id"] for record in records}, said, records

    def test_appended_shuffled_and_annotated(self):
        before, _, _ = self.ids(self.rows(100))
        self.assertEqual(len(set(before.values())), 100)
        rows = self.rows(130)
        random.Random(3).shuffle(rows)
        for row in rows:
            row.update(rating=row["seed"] % 5, n=1 + row["seed"] % 3)
        after, said, records = self.ids(rows)
        self.assertEqual({key: after[key] for key in before}, before)
        self.assertIn("100 ids stay, 30 are new, 0 are gone", said)
        checked(records)
        self.assertFalse(set(before.values()) & set(self.ids(self.rows(100), "--set", "steps=4")[0].values()), "another picture under an old id")

    def test_repeated_rows(self):
        text = write("repeated.txt", "a fox\na hen\na fox\na fox\n")
        records, said = made(text)
        fox = records[0]["id"]
        self.assertEqual([record["id"] for record in checked(records)], [fox, records[1]["id"], fox + "-2", fox + "-3"])
        self.assertIn("rows that ask for what an earlier one asks", said)
        self.assertIn("first: repeated.txt:3", said)
        records, said = made(text, "--unique")
        self.assertEqual([record["id"] for record in records], [fox, records[1]["id"]])
        self.assertIn("rows left out, since an earlier one asks for the same: 2", said)

    def test_given_ids(self):
        records, said = made(write("given.csv", "id,prompt\n7.0,a\nx/1.png,b\nx 1.png,c\n,d\n7.0,a\n"))
        self.assertEqual([record["id"].rsplit("-", 1)[0] for record in checked(records)], ["7.0", "x_1.png", "x_1.png", "d"])
        self.assertEqual(records[1]["metadata"], {"id": "x/1.png"})
        self.assertIn("ids: 3 given, 1 made", said)
        self.assertIn("rows left out, whose id and all that they ask for were there before: 1 (given.csv:6)", said)
        coco = write("coco.json", json.dumps([{"id": 9, "caption": "a"}, {"id": 9, "caption": "b"}, {"id": 9, "caption": "c"}], indent=0))
        refused = tool(coco, "-o", "made.jsonl")
        self.assertEqual(refused.returncode, 65)
        self.assertIn('coco.json:6: id: "9" was used for another record (2)', refused.stderr)
        self.assertIn("also in 1 more: 10", refused.stderr)
        self.assertEqual([record["metadata"]["id"] for record in made(coco, "--ids", "content")[0]], [9, 9, 9])


class Grids(unittest.TestCase):
    def test_subjects_by_styles_by_seeds(self):
        write("subjects.txt", "a fox, sitting\na {hen}\n\n")
        records, said = made("--grid", "subject=@subjects.txt", "--grid", "style=oil,ink", "--grid", "seed=1..3",
                             "--prompt", "{subject}, {style} {{x}}", "--size", "64x32", "--set", "negative_prompt=", "--set", "cfg=2")
        wanted = [(f"{subject}, {style} {{x}}", seed, {"subject": subject, "style": style})
                  for subject in ("a fox, sitting", "a {hen}") for style in ("oil", "ink") for seed in (1, 2, 3)]
        self.assertEqual([(record["prompt"], record["seed"], record["metadata"]) for record in checked(records)], wanted)
        self.assertEqual(len({record["id"] for record in records}), 12)
        others = {(record["width"], record["height"], record["negative_prompt"], record["true_cfg_scale"]) for record in records}
        self.assertEqual(others, {(64, 32, "", 2.0)})
        self.assertIn("12 records a row: subject x style x seed", said)

    def test_rows_by_sizes(self):
        write("animals.csv", "id,Art style,animal\nr1,oil,fox\nr2,,hen\n")
        refused = tool("animals.csv", "--prompt", "a {animal}, {art style}", "-o", "made.jsonl")
        self.assertIn("animals.csv:3: prompt: needs {Art style}, which is empty", refused.stderr)
        records, said = made("animals.csv", "--prompt", "a {animal}, {Art style}", "--grid", "size=1000x500,64", "--round-sizes", "16",
                             "--skip-empty")
        self.assertEqual([(record["id"], record["prompt"], record["width"], record["height"]) for record in checked(records)],
                         [("r1-1000x500", "a fox, oil", 1008, 496), ("r1-64", "a fox, oil", 64, 64)])
        self.assertIn("rows with sides rounded to multiples of 16: 1 (animals.csv:2)", said)


class Readme(unittest.TestCase):
    def test_from_a_csv_to_pictures(self):
        """The commands behind the first, which sets up and builds, in a folder of their own."""
        [_, block] = (ROOT / "README.md").read_text().split("## From a CSV to pictures\n\n```\n")
        build, *commands = block.split("\n```", 1)[0].split("\n")
        self.assertEqual((len(commands), "--target ditbatch" in build), (4, True))
        for folder in ("build/cpu", "configs"):
            (WORK / "first" / folder).mkdir(parents=True)
        (WORK / "first/build/cpu/ditbatch").symlink_to(PROGRAM)
        shutil.copy(ROOT / "configs" / "first_job.toml", WORK / "first" / "configs")
        for folder in ("tools", "jobs"):
            (WORK / "first" / folder).symlink_to(ROOT / folder)
        done = subprocess.run(["bash", "-euc", "\n".join(commands)], cwd=WORK / "first", capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        pictures = {path.name.rsplit("-", 2)[0]: path.read_bytes()[:4] for path in (WORK / "first/pictures/192x192").glob("*.png")}
        self.assertEqual(pictures, dict.fromkeys(("a-red-circle-above-a-blue-star", "two-green-hearts-on-a-gray"), b"\x89PNG"))


class Errors(unittest.TestCase):
    def test_wrong_cells_are_told_by_kind_and_line(self):
        write("kept.jsonl", '{"id":"old","prompt":"old"}\n')
        wrong = write("wrong.csv", 'prompt,steps,seed\n"two\nlines",4,1\nx,many,1\ny,2.5,-7\nz,,\n')
        done = tool(wrong, "-o", "kept.jsonl")
        self.assertEqual(done.returncode, 65)
        self.assertIn('wrong.csv:4: steps: is "many" (a whole number is needed)', done.stderr)
        self.assertIn("also in 1 more: 5", done.stderr)
        self.assertIn('wrong.csv:5: seed: is "-7"', done.stderr)
        self.assertEqual((WORK / "kept.jsonl").read_text(), '{"id":"old","prompt":"old"}\n')
        self.assertEqual(list(WORK.glob(".*part")), [])

    def test_each_says_where_and_what_to_do(self):
        cases = [("no.csv", "a,b\n1,2\n", 65, "--map 'a=prompt'"),
                 ("cells.csv", "prompt,seed\na, b,1\n", 65, "cells.csv:2: has 3 cells for 2 columns"),
                 ("quote.csv", 'prompt\n"a\n', 65, "quote.csv:2: bad quotes"), ("twice.json", '[{"prompt":"a","prompt":"b"}]', 65, "given twice"),
                 ("cut.json", '[{"prompt":"a"},\n{"prompt":', 65, "cut.json:2:"), ("cut.jsonl", '{"prompt":"a"}\n{"prompt"\n', 65, "cut.jsonl:2:"),
                 ("empty.txt", "\n", 65, "gives no records"), ("book.csv", b"PK\x03\x04", 65, "Excel"),
                 ("lfs.csv", "version https://git-lfs.github.com/spec/v1\n", 65, "git lfs pull"),
                 ("nothing.csv", "", 65, "holds nothing"),
                 ("unknown.dat", "a,b\n", 64, "--format"), ("nul.txt", "a\0b, long enough\n", 65, "NUL"), ("half.json", '["\\ud800"]', 65, "surrogate"),
                 ("json.csv", '[{"prompt":"a"}]', 64, "--format csv or json")]
        for name, content, code, says in cases:
            done = tool(write(name, content), "-o", "none.jsonl")
            self.assertEqual((done.returncode, says in done.stderr), (code, True), f"{name}: {done.stderr}")
            self.assertFalse((WORK / "none.jsonl").exists())
        write("good.csv", "prompt,rating\na,1\n")
        for options, says in ((["--map", "ratings=tags"], 'did you mean "rating"?'), (["--set", "step=3"], "did you mean steps?"),
                              (["--prompt", "{promt}"], 'did you mean "prompt"?'), (["-o", "good.csv"], "is an input, too"),
                              (["-o", "/dev/null"], "no regular file"), (["-o", "no/such.jsonl"], "is no folder"),
                              (["--grid", "seed"], "has no values")):
            done = tool("good.csv", "-o", "none.jsonl", *options)
            self.assertIn(done.returncode, (64, 65))
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    os.chdir(WORK)
    copy_pipeline("a", "dev", "legacy", 1, WORK / "pipeline")
    (WORK / "job.toml").write_text('[job]\nmanifest = "made.jsonl"\nrun_dir = "run"\n[model]\npath = "pipeline"\ndtype = "fp32"\n'
                                   '[sampling]\nwidth = 64\nheight = 64\nsteps = 2\n[runtime]\ndevice = "cpu"\n')
    unittest.main(argv=sys.argv[:1], verbosity=1)
