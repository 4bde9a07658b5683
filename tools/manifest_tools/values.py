"""Cells to values of fields. CSV has texts alone, JSON and Parquet have types; both end as what a manifest holds."""
import ast
import datetime
import json
import math
import re

from . import fields
from .notes import quoted

ABSENT = object()
NO_NUMBER = {"", "nan", "none", "null", "na", "n/a", "<na>", "-"}  # how tables write that a number is not there
NO_TEXT = {"nan", "NaN", "<NA>"}  # what pandas makes of a missing text
LARGEST_SEED = 2**64 - 1


def is_absent(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def text_of(field, value, row, problems, notes):
    if isinstance(value, (list, dict)):
        problems.add(row, field, f"is {quoted(json.dumps(value, default=str))}", "(a text is needed) take one of its parts, or --drop it")
        return ABSENT
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of numbers with gaps
    text = str(value)
    if text in NO_TEXT:
        notes.add("rows with the text nan in a cell, taken as empty", row)
        return ABSENT
    if "\0" in text:
        problems.add(row, field, f"is {quoted(text)}", "(a shard cannot store NUL characters) remove them")
        return ABSENT
    try:
        text.encode()
    except UnicodeEncodeError:
        problems.add(row, field, "holds half a surrogate pair", "(no Unicode character) correct the text")
        return ABSENT
    return text


def _number(value):
    """int where it is whole, else float; None: it is no number"""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        try:
            value = int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
        except ValueError:
            return None
    try:
        return int(value) if value == int(value) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def whole_of(field, value, row, problems, notes):
    number = _number(value)
    if isinstance(number, int):
        return number
    problems.add(row, field, f"is {quoted(value)}", "(a whole number is needed) correct it, or leave the column out with --drop")
    return ABSENT


def number_of(field, value, row, problems, notes):
    number = _number(value)
    if number is None:
        problems.add(row, field, f"is {quoted(value)}", "(a number with a point is needed) correct it, or leave the column out with --drop")
        return ABSENT
    return float(number)  # 3 and 3.0 are one value, and have one id


def seed_of(field, value, row, problems, notes):
    number = _number(value)
    if number == -1:
        notes.add("rows with seed -1, left out (ditbatch draws one from the id)", row)
        return ABSENT
    if not isinstance(number, int) or not 0 <= number <= LARGEST_SEED:
        problems.add(row, field, f"is {quoted(value)}", "(a whole number from 0 to 18446744073709551615 is needed) correct it")
        return ABSENT
    if number > 2**53 and (isinstance(value, float) or (isinstance(value, str) and not value.strip().lstrip("+").isdigit())):
        notes.add("rows whose seed above 2^53 was a floating point number, which lost its last digits", row)
    return number


def tags_of(field, value, row, problems, notes):
    """A list, or a text that is one in JSON or Python, or words between `;`, `|` or `,`."""
    if isinstance(value, str):
        value = _list_text(value)
    if not isinstance(value, (list, tuple)) or not all(isinstance(tag, (str, int)) for tag in value):
        problems.add(row, field, f"is {quoted(value)}", "(a list of texts is needed) write them between ; or as [\"a\", \"b\"]")
        return ABSENT
    return [str(tag) for tag in value]


def _list_text(text):
    if text.strip().startswith("["):
        try:
            return ast.literal_eval(text.strip())  # JSON's lists of texts are Python's, too
        except (SyntaxError, ValueError):
            return text
    mark = next((mark for mark in ";|," if mark in text), ";")
    return [tag.strip() for tag in text.split(mark) if tag.strip()]


def size_of(value, row, problems):
    """-> (width, height): from WIDTHxHEIGHT, a list of the two, {"width", "height"}, or one side of a square"""
    if isinstance(value, dict) and {"width", "height"} <= set(value):
        value = [value["width"], value["height"]]
    if isinstance(value, str):
        value = [part for part in re.split(r"\s*[xX×*,;]\s*", value.strip().strip("[]()")) if part]
    sides = [_number(side) for side in (value if isinstance(value, (list, tuple)) else [value])]
    if len(sides) in (1, 2) and all(isinstance(side, int) for side in sides):
        return sides[0], sides[-1]
    problems.add(row, "size", f"is {quoted(value)}", "(WIDTHxHEIGHT in pixels is needed, as 1024x768) correct it, or give --set size=1024x768")
    return ABSENT, ABSENT


OF_KIND = {**dict.fromkeys(("id", *fields.TEXTS), text_of), **dict.fromkeys(fields.WHOLE, whole_of),
           **dict.fromkeys(fields.NUMBERS, number_of), "seed": seed_of, "tags": tags_of}


def field_value(field, value, row, problems, notes):
    """The value of a field, or ABSENT where the cell has none; what cannot be one is a problem."""
    if is_absent(value) or value == "" and row.cells_are_text:
        return ABSENT
    if OF_KIND[field] is not text_of and isinstance(value, str) and value.strip().lower() in NO_NUMBER:
        return ABSENT
    return OF_KIND[field](field, value, row, problems, notes)


def metadata_value(value, cells_are_text):
    """What JSON can hold of a cell; ABSENT where there is nothing."""
    if is_absent(value) or (cells_are_text and value == ""):
        return ABSENT
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [None if made is ABSENT else made for made in (metadata_value(item, False) for item in value)]
    if isinstance(value, dict):
        return {str(key): made for key, item in value.items() if (made := metadata_value(item, False)) is not ABSENT}
    if isinstance(value, (bool, int, float, str)):
        return value
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)
