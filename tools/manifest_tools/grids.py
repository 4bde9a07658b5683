"""Templates, and grids of values that every row is multiplied with."""
import itertools
import pathlib
import re
import string

from . import fields
from .notes import BadInput, Usage, quoted

MOST_RECORDS = 50_000_000


def grid_of(options):
    """["style=oil,ink", "subject=@subjects.txt", "seed=1..4"] -> {name: values}"""
    grid = {}
    for option in options:
        name, mark, values = option.partition("=")
        if not mark or not name.strip():
            raise Usage(f"--grid: {quoted(option)} has no values (a grid is NAME=A,B,C or NAME=1..9 or NAME=@FILE) write one of these")
        name = fields.BY_NAME.get(fields.plain(name), name.strip())
        if name in grid or name in ("id", "metadata", "tags"):
            raise Usage(f"--grid: {name} cannot be one (given twice, or no value of a picture) choose another name")
        grid[name] = _values(values)
        if not grid[name]:
            raise Usage(f"--grid: {name} has no values (each needs one) write NAME=A,B,C")
    return grid


def _values(text):
    if text.startswith("@"):
        try:
            lines = pathlib.Path(text[1:]).read_text(encoding="utf-8-sig").split("\n")
        except (FileNotFoundError, UnicodeDecodeError) as error:
            raise BadInput(f"{text[1:]}: cannot be read as UTF-8 ({getattr(error, 'strerror', None) or error}) check the path") from None
        return [line.strip() for line in lines if line.strip()]
    if bounds := re.fullmatch(r"(\d+)\.\.(\d+)", text.strip()):
        return list(range(int(bounds[1]), int(bounds[2]) + 1))
    return [value.strip() for value in text.split(",") if value.strip()]


def combinations(grid):
    """-> {name: value} for each combination, the last name fastest"""
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > MOST_RECORDS:
        raise Usage(f"--grid: makes {count:,} records of each row (at most {MOST_RECORDS:,} are read) make it smaller")
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]


class Template:
    """Text with {column} in it; {{ and }} are braces."""

    def __init__(self, text, option, names):
        self.text = text
        self.parts = []  # text, name or None
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise Usage(f"{option}: {quoted(text)} is no template ({error}) write {{{{ and }}}} for braces") from None
        for before, name, form, conversion in parsed:
            if form or conversion:
                raise Usage(f"{option}: {{{name}}} has a format (names alone are filled in) remove what stands behind the name")
            self.parts.append((before, None if name is None else fields.column_named(name, names, option)))
        self.names = [name for _, name in self.parts if name is not None]

    def fill(self, cells):
        """-> the text, or None and the name where a cell is empty"""
        made = []
        for before, name in self.parts:
            made.append(before)
            if name is None:
                continue
            value = cells.get(name)
            if value is None or value == "" or value != value:
                return None, name
            made.append(str(int(value)) if isinstance(value, float) and value.is_integer() else str(value))
        return "".join(made), None
