#!/usr/bin/env python3
"""Makes a manifest from prompts in text, CSV, TSV, JSON, JSONL or Parquet, and says on stderr what it did.

    make_manifest.py prompts.csv -o prompts.jsonl
    make_manifest.py table.parquet --map title=prompt --drop url --set steps=28 --size 1024x768 -o prompts.jsonl
    make_manifest.py animals.csv --prompt 'a {colour} {animal}, {style}' --grid style=oil,ink --grid seed=1..4 -o prompts.jsonl
    make_manifest.py --grid subject=@subjects.txt --grid style=@styles.txt --prompt '{subject}, {style}' -o prompts.jsonl

A column that is called as a field, or as another tool calls it, becomes that field; others go under `metadata`. Without
a column `id` ids are made from what a record asks for: rows may be added, moved and removed, and columns that end under
`metadata` or `tags` added, and each picture keeps its id. A record that asks for something else has another id.
"""
import argparse
import json
import os
import pathlib
import sys

from manifest_tools import fields, grids
from manifest_tools.ids import Ids
from manifest_tools.notes import BadInput, Notes, Problems, Row, Usage, quoted
from manifest_tools.records import RecordMaker
from manifest_tools.tables import KINDS, Format, open_table

USAGE, BAD_INPUT, IO = 64, 65, 74  # as ditbatch ends


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Usage(f"{message} (--help lists the options)")


def options_of(arguments):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="*", help="files with prompts; gzip and UTF-16 too; - is standard input")
    parser.add_argument("-o", "--out", required=True, help="the manifest, replaced at once when it is whole; - is standard output")
    parser.add_argument("--map", action="append", default=[], metavar="COLUMN=FIELD", help="what a column is; also =metadata")
    parser.add_argument("--drop", action="append", metavar="COLUMN", help="leave a column out")
    parser.add_argument("--drop-others", action="store_true", help="leave out every column that is no field")
    parser.add_argument("--prompt", metavar="TEMPLATE", help="the prompt, with {column} and {grid name} filled in")
    parser.add_argument("--size", metavar="WIDTHxHEIGHT", help="of every picture")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=TEMPLATE", help="any field, for every record")
    parser.add_argument("--grid", action="append", default=[], metavar="NAME=VALUES",
                        help="every row once for each of A,B,C or 1..9 or @FILE (one a line); several multiply")
    parser.add_argument("--ids", choices=("given", "content"), default="given", help="content: made from what is asked, even with a column id")
    parser.add_argument("--unique", action="store_true", help="leave out records that ask for what an earlier one asks")
    parser.add_argument("--skip-empty", action="store_true", help="leave out rows without a prompt, or that a template needs more of")
    parser.add_argument("--round-sizes", type=int, metavar="N", help="round sides to multiples of N (16 for FLUX.1)")
    parser.add_argument("--format", choices=KINDS, help="of the inputs, where their names do not say it")
    parser.add_argument("--encoding", help="of the inputs, where it is neither UTF-8 nor UTF-16")
    parser.add_argument("--delimiter", help="of CSV; otherwise the most frequent of , ; tab | in the first line")
    parser.add_argument("--no-quotes", action="store_true", help='CSV and TSV where " is a character as any other')
    parser.add_argument("--columns", metavar="A,B,C", help="names, for CSV and TSV whose first line holds none")
    options = parser.parse_args(arguments)
    if not options.inputs and not options.grid:
        raise Usage("no input (prompts come from files, or from --grid) name a file")
    if options.round_sizes is not None and options.round_sizes < 1:
        raise Usage("--round-sizes: is below 1 (sides become multiples of it) give, for example, 16")
    return options


def pairs_of(texts, option):
    for text in texts:
        name, mark, value = text.partition("=") if option == "--set" else text.rpartition("=")
        if not mark or not name:
            raise Usage(f"{option}: {quoted(text)} has no = (it is a name, =, and a value) write, for example, "
                        + ("--set steps=28" if option == "--set" else "--map title=prompt"))
        yield name, value


def sets_of(options):
    """-> {field: (template's text, option)}"""
    found = {}
    given = [("prompt", options.prompt, "--prompt"), ("size", options.size, "--size")]
    given += [(fields.field_named(name, "--set"), value, f"--set {name}") for name, value in pairs_of(options.set, "--set")]
    for field, text, option in given:
        if text is None:
            continue
        if field in found or field == "metadata":
            raise Usage(f"{option}: {field} cannot be set (it is given twice, or is metadata) remove one")
        found[field] = text, option
    return found


def plan_of(options, tables):
    columns = list(dict.fromkeys(column for table in tables for column in table.columns))
    grid, texts = grids.grid_of(options.grid), sets_of(options)
    for name in set(grid) & (set(columns) | set(texts)):
        raise Usage(f"--grid: {quoted(name)} is a column or set, too (one value is needed) choose one of them")
    names = [*columns, *grid]
    sets = {field: grids.Template(text, option, names) for field, (text, option) in texts.items()}
    maps = {column: fields.field_named(field, "--map") for column, field in pairs_of(options.map, "--map")}
    plan = fields.plan_columns(columns, maps, None if options.drop_others else options.drop or [], {*sets, *grid})
    if options.ids == "content" and "id" in plan.columns:
        plan.metadata.append(plan.columns.pop("id"))
    if not names:
        raise BadInput(f"{', '.join(options.inputs)}: holds nothing (prompts are read from it) name a file with prompts")
    if "prompt" not in {*plan.columns, *sets, *grid}:
        raise BadInput(f"{tables[0].path if tables else '--grid'}: no column is the prompt (there are {', '.join(map(quoted, names))}) "
                       f"say which: --map '{names[0]}=prompt', or --prompt TEMPLATE")
    return plan, sets, grids.combinations(grid)


def report_plan(tables, plan, sets, combinations, say):
    for table in tables:
        say(f"{table.path}: {table.what}")
    for field, column in plan.columns.items():
        meaning = fields.MEANINGS.get("size" if field == "size" else fields.plain(column), "").format(column)
        say(f"  {'width and height' if field == 'size' else field} from {quoted(column)}" + (f" ({meaning})" if meaning else ""))
    for field, template in sets.items():
        say(f"  {field} is {quoted(template.text)}")
    if len(combinations) > 1 or combinations[0]:
        say(f"  {len(combinations)} records a row: {' x '.join(combinations[0])}")
    if plan.metadata:
        say("  under metadata: " + ", ".join(quoted(name) + (f" ({plan.why[name]})" if name in plan.why else "") for name in plan.metadata))
    if plan.dropped:
        say(f"  left out: {', '.join(plan.dropped)}")


def old_ids(out):
    """Ids of the manifest that will be replaced; None where there is none."""
    try:
        with open(out, encoding="utf-8") as file:
            return {json.loads(line)["id"] for line in file}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_whole(out, lines):
    """Writes beside the file, then gives it its name: who reads it sees the old one or the whole new one."""
    if out == "-":
        sys.stdout.reconfigure(encoding="utf-8")
        sys.stdout.writelines(list(lines))
        return
    target = pathlib.Path(out).resolve()
    if target.exists() and not target.is_file():
        raise Usage(f"--out: {out} is no regular file (it would be replaced) name a file, or - for standard output")
    if not target.parent.is_dir():
        raise Usage(f"--out: {target.parent} is no folder (the manifest is written in it) make it first")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(part, "x", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def make(options, say):
    form = Format(options.format, options.encoding, options.delimiter, not options.no_quotes, options.columns and options.columns.split(","))
    for path in options.inputs:
        if path != "-" and options.out != "-" and os.path.exists(options.out) and os.path.samefile(path, options.out):
            raise Usage(f"--out: {options.out} is an input, too (it would be replaced) name another file")
    tables = [open_table(path, form) for path in options.inputs]
    plan, sets, combinations = plan_of(options, tables)
    report_plan(tables, plan, sets, combinations, say)
    problems, notes = Problems(), Notes()
    ids = Ids(problems, notes, options.unique)
    maker = RecordMaker(plan, sets, combinations, options.skip_empty, options.round_sizes, ids, problems, notes)
    before = old_ids(options.out)
    counts = {"rows": 0, "records": 0, "images": 0}
    now = set()

    def lines():
        for table in tables or [None]:
            for row in table.rows if table else [Row("--grid", 0, {})]:
                counts["rows"] += 1
                for record in maker.records(row):
                    counts["records"] += 1
                    counts["images"] += record.get("num_images", 1)
                    now.add(record["id"])
                    yield json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        problems.raise_if_any()
        if not counts["records"]:
            raise BadInput(f"{', '.join(options.inputs) or '--grid'}: gives no records (there is nothing to make) name a file with prompts")

    write_whole(options.out, lines())
    for note in [*(note for table in tables for note in table.notes), *notes.lines()]:
        say(f"  {note}")
    say(f"  ids: {ids.taken} given, {ids.made} made from what is asked")
    if before is not None:
        say(f"  replaced {options.out}: {len(now & before)} ids stay, {len(now - before)} are new, {len(before - now)} are gone")
    say(f"{options.out}: {counts['records']} records, {counts['images']} images, of {counts['rows']} rows")


def main(arguments=None):
    try:
        make(options_of(arguments), lambda text: print(text, file=sys.stderr))
    except BadInput as error:
        print(error, file=sys.stderr)
        return USAGE if isinstance(error, Usage) else BAD_INPUT
    except OSError as error:
        print(f"{error.filename or 'output'}: cannot be read or written ({error.strerror or error}) check the path", file=sys.stderr)
        return IO
    return 0


if __name__ == "__main__":
    sys.exit(main())
