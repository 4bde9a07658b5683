"""Reads text, CSV, TSV, JSON, JSONL and Parquet into rows of named cells."""
import codecs
import csv
import dataclasses
import gzip
import io
import pathlib
import re
import sys
import zlib

from . import json_tables, parquet_tables
from .notes import BadInput, Row, Usage, quoted

KINDS = {"text": ".txt .text .lst .prompts", "csv": ".csv", "tsv": ".tsv .tab", "json": ".json", "jsonl": ".jsonl .ndjson", "parquet": ".parquet .pq"}
BY_SUFFIX = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes.split()}
# Files that are met in place of a table, by their first bytes.
STRANGERS = {b"PK\x03\x04": ("a zip file or an Excel workbook", "save the sheet as CSV"), b"\x89HDF": ("an HDF5 file", "name a table of prompts"),
             b"ARROW1": ("an Arrow file", "write it as Parquet"), b"\x28\xb5\x2f\xfd": ("packed with zstd", "unpack it with zstd -d"),
             b"BZh": ("packed with bzip2", "unpack it with bunzip2"), b"\xfd7zXZ": ("packed with xz", "unpack it with unxz"),
             b"version https://git-lfs": ("a Git LFS pointer", "get the file with git lfs pull")}
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclasses.dataclass
class Format:
    """What the command line says of the files; None is what each one looks like."""
    kind: str = None
    encoding: str = None
    delimiter: str = None
    quotes: bool = True
    columns: list = None  # names, for a file without a line of them


@dataclasses.dataclass
class Table:
    path: str
    what: str      # for the report
    columns: list
    rows: object   # iterator of Row
    notes: list = dataclasses.field(default_factory=list)  # what reading left out


def open_table(path, form):
    """A table whose rows can be walked once; `-` is standard input."""
    data, notes = _read(path)
    for magic, (what, suggestion) in STRANGERS.items():
        if data.startswith(magic):
            raise BadInput(f"{path}: is {what} (text, CSV, TSV, JSON and Parquet are read) {suggestion}")
    kind = form.kind or ("parquet" if data.startswith(b"PAR1") else BY_SUFFIX.get(_suffix(path)))
    if kind == "parquet":
        return Table(path, "Parquet", *parquet_tables.read(path, data))
    text, encoding = _decode(path, data, form.encoding)
    if encoding != "UTF-8":
        notes.append(encoding)
    first = text.lstrip()[:1]
    if kind in ("json", "jsonl") or (kind is None and first in ("[", "{")):
        what, columns, rows = json_tables.read(path, text)
        return Table(path, ", ".join([what, *notes]), columns, rows)
    if kind is None:
        raise Usage(f"{path}: of unknown format (its name ends in none of {' '.join(BY_SUFFIX)}) give --format text, csv, tsv, json or parquet")
    if kind in ("csv", "tsv") and first in ("[", "{") and not form.kind:
        raise Usage(f"{path}: is named as {kind.upper()} and begins as JSON does (nobody can know which it is) give --format {kind} or json")
    table = _text_lines(path, text) if kind == "text" else _delimited(path, text, kind, form)
    table.what = ", ".join([table.what, *notes])
    return table


def _suffix(path):
    path = pathlib.Path(path)
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def _read(path):
    try:
        data = sys.stdin.buffer.read() if path == "-" else pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path}: does not exist (prompts are read from it) check the path") from None
    except IsADirectoryError:
        raise BadInput(f"{path}: is a folder (a table is a file) name the files in it") from None
    if not data.startswith(b"\x1f\x8b"):
        return data, []
    try:
        return gzip.decompress(data), ["gzip"]
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: does not unpack ({error}; gzip files end with a checksum) copy it again") from None


def _decode(path, data, encoding):
    """-> text, the encoding's name. Without a byte order mark UTF-16 shows by its zeros."""
    found = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None)
    even, odd = data[:4000:2].count(0), data[1:4000:2].count(0)
    if not found and min(even, odd) == 0 and max(even, odd) > min(len(data), 4000) // 4:
        found = "utf-16-be" if even else "utf-16-le"
    name = encoding or found or "utf-8"
    try:
        return data.decode(name).removeprefix("\ufeff"), {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with byte order mark"}.get(name, name.upper())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}:{line}: is not {name.upper()} (byte {data[error.start]:#x}) "
                       "give --encoding, as cp1252 or utf-16 for files of Excel") from None
    except LookupError:
        raise Usage(f"--encoding: {quoted(name)} is none (Python has no such codec) write, for example, cp1252") from None


def _text_lines(path, text):
    """A prompt a line; lines of white space alone are none."""
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    good = [(number, line) for number, line in lines if line]
    empty = len(lines) - len(good) - (not lines[-1][1])
    notes = [f"empty lines skipped: {empty}"] if empty else []
    options = [number for number, line in good if re.search(r"\s--?[a-z_]+\s+[\d.:]+", line)]
    if options:
        notes.append(f"lines with what looks like options, which stay in the prompt: {len(options)} (first: {path}:{options[0]})")
    rows = (Row(path, number, {"prompt": line}, True) for number, line in good)
    return Table(path, "text, a prompt a line", ["prompt"], rows, notes)


def _delimiter(text, kind, form):
    if form.delimiter:
        return form.delimiter
    if kind == "tsv":
        return "\t"
    first = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(",;\t|", key=first.count)  # the first of equals


def _delimited(path, text, kind, form):
    delimiter = _delimiter(text, kind, form)
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, quoting=csv.QUOTE_MINIMAL if form.quotes else csv.QUOTE_NONE)
    records = _records(path, reader)
    columns = form.columns
    if columns is None:
        _, names = next(records, (1, []))
        columns = [name.strip() for name in names]
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise BadInput(f"{path}:1: the column {quoted(min(twice))} is there twice (which one counts is not defined) rename one")
    table = Table(path, {",": "CSV", "\t": "TSV"}.get(delimiter, f"CSV with {delimiter}"), columns, None)
    table.rows = _named(path, records, columns, table.notes)
    return table


def _records(path, reader):
    """-> the line where a record begins, its cells; a record may go over lines."""
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(f"{path}:{line}: bad quotes ({error}) double the quotes within quoted cells, or give --no-quotes") from None
        if cells and any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _named(path, records, columns, notes):
    short = 0
    for line, cells in records:
        if len(cells) > len(columns):
            if any(cells[len(columns):]):
                raise BadInput(f"{path}:{line}: has {len(cells)} cells for {len(columns)} columns (a comma in a text?) put the text in quotes")
            cells = cells[:len(columns)]
        short += len(cells) < len(columns)
        yield Row(path, line, dict(zip(columns, cells)), True)
    if short:
        notes.append(f"rows with fewer cells than columns, the last ones taken as empty: {short}")
