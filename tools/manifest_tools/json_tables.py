"""Rows of JSON: an array, one within an object, columns as pandas writes them, or a record a line."""
import json

from . import fields
from .notes import BadInput, Row, quoted

WHITE = " \t\r\n"


def _no_double(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise KeyError(next(name for name in names if names.count(name) > 1))
    return made


DECODER = json.JSONDecoder(object_pairs_hook=_no_double)


def read(path, text):
    """-> what it is, columns in order of appearance, rows"""
    start = len(text) - len(text.lstrip(WHITE))
    if text.startswith("[", start):
        what, found = "JSON array", list(_items(path, text, start))
    else:
        line = 1 + text.count("\n", 0, start)
        value, end = _decode(path, text, start, line) if start < len(text) else ({}, start)
        what, found = ("JSON", _within(path, value)) if not text[end:].strip() and not _is_record(value) else ("JSONL", list(_lines(path, text)))
    rows, columns = [], {}
    for line, item in found:
        if isinstance(item, str):
            item = {"prompt": item}
        if not isinstance(item, dict):
            raise BadInput(f"{path}:{line}: is {quoted(json.dumps(item))} (a record is an object or a text) write {{\"prompt\": ...}}")
        rows.append(Row(path, line, item))
        columns.update(dict.fromkeys(item))
    return what, list(columns), iter(rows)


def _decode(path, text, at, line):
    try:
        return DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}:{error.lineno}:{error.colno}: bad JSON ({error.msg}) correct it") from None
    except KeyError as error:
        raise BadInput(f"{path}:{line}: {error.args[0]}: given twice (which of the two counts is not defined) remove one") from None
    except RecursionError:
        raise BadInput(f"{path}:{line}: is nested too deeply (no record needs that) flatten it") from None


def _items(path, text, start):
    """The items of an array, each with the line where it begins."""
    at, line, behind = start + 1, 1 + text.count("\n", 0, start), start + 1
    while True:
        while text[at:at + 1] and text[at] in WHITE:
            at += 1
        line += text.count("\n", behind, at)
        behind = at
        if text[at:at + 1] == "]":
            break
        value, at = _decode(path, text, at, line)
        yield line, value
        while text[at:at + 1] and text[at] in WHITE:
            at += 1
        if text[at:at + 1] == ",":
            at += 1
        elif text[at:at + 1] != "]":
            line += text.count("\n", behind, at)
            raise BadInput(f"{path}:{line}: bad JSON (the array goes on without a comma, or is cut off) correct it")
    if text[at + 1:].strip():
        raise BadInput(f"{path}:{line}: goes on behind the array (a file holds one) remove what follows")


def _lines(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value, end = DECODER.raw_decode(line, len(line) - len(line.lstrip()))
        except json.JSONDecodeError as error:
            raise BadInput(f"{path}:{number}:{error.colno}: bad JSON ({error.msg}) correct it") from None
        except KeyError as error:
            raise BadInput(f"{path}:{number}: {error.args[0]}: given twice (which of the two counts is not defined) remove one") from None
        if line[end:].strip():
            raise BadInput(f"{path}:{number}:{end + 1}: goes on behind the record (a line holds one) break the line")
        yield number, value


def _is_record(value):
    """Of an object that is alone in a file."""
    return isinstance(value, dict) and (not any(isinstance(part, (list, dict)) for part in value.values()) or any(
        isinstance(part, str) and fields.BY_NAME.get(fields.plain(name)) == "prompt" for name, part in value.items()))


def _within(path, value):
    """Rows of an object: its only list, or its columns as lists or as {row: cell}; their lines are their numbers."""
    parts = list(value.values()) if isinstance(value, dict) else []
    if parts and all(isinstance(part, dict) for part in parts):
        keys = list(dict.fromkeys(key for part in parts for key in part))
        return [(number, {name: part[key] for name, part in value.items() if key in part}) for number, key in enumerate(keys, 1)]
    lists = [part for part in parts if isinstance(part, list)]
    if len(lists) == 1 and all(isinstance(item, (dict, str)) for item in lists[0]):
        return list(enumerate(lists[0], 1))
    if lists and len(lists) == len(parts) and len({len(part) for part in lists}) == 1:
        return [(number, dict(zip(value, cells))) for number, cells in enumerate(zip(*lists), 1)]
    raise BadInput(f"{path}: is no table (an array of records, a record a line, or columns of one length are) take the array out of it")
