"""Rows to records of a manifest: fields, sizes, metadata, ids."""
import json

from . import values
from .fields import FIELDS
from .values import ABSENT

ROUNDED = "rows with sides rounded to multiples of {}"


class RecordMaker:
    """plan: where fields come from; sets: {field: Template}; grid: combinations of values; size_multiple: None leaves sides."""

    def __init__(self, plan, sets, combinations, skip_empty, size_multiple, ids, problems, notes):
        self._plan, self._sets, self._combinations = plan, sets, combinations
        self._skip_empty, self._size_multiple = skip_empty, size_multiple
        self._ids, self._problems, self._notes = ids, problems, notes

    def records(self, row):
        """One for each combination of the grid, without those that are left out."""
        for combination in self._combinations:
            record = {}
            if not (self._fill(record, row, combination) and self._has_prompt(record, row)):
                continue
            given = record.pop("id", None)
            if given and combination:
                given = "-".join([given, *map(str, combination.values())])
            self._take_metadata(record, row, combination)
            if self._ids.give(record, given, row):
                yield {field: record[field] for field in FIELDS if field in record}

    def _fill(self, record, row, combination):
        """False: a cell that a template needs is empty; told, or left out."""
        cells = {**row.cells, **combination}
        for field, template in self._sets.items():
            text, missing = template.fill(cells)
            if text is not None:
                self._take(record, field, text, row, _as_given)
            elif self._skip_empty:
                self._notes.add(f"rows left out, without {missing}", row)
                return False
            else:
                self._problems.add(row, field, f"needs {{{missing}}}, which is empty",
                                   "(a template fills in every name) fill the cell, or --skip-empty")
                return False
        for field, column in self._plan.columns.items():
            if field != "metadata":
                self._take(record, field, row.cells.get(column), row, values.field_value)
        for field, value in combination.items():
            if field in FIELDS or field == "size":
                self._take(record, field, value, row, _as_given)
        return True

    def _take(self, record, field, value, row, convert):
        if field == "size":
            if not (values.is_absent(value) or value == ""):
                self._take_side(record, "width", *(sides := values.size_of(value, row, self._problems))[:1], row)
                self._take_side(record, "height", sides[1], row)
            return
        made = convert(field, value, row, self._problems, self._notes)
        if field in ("width", "height"):
            self._take_side(record, field, made, row)
        elif made is not ABSENT:
            record[field] = made

    def _take_side(self, record, field, side, row):
        if side is ABSENT:
            return
        record[field] = side
        multiple = self._size_multiple
        if multiple and side % multiple:
            record[field] = max(multiple, (side + multiple // 2) // multiple * multiple)
            self._notes.add(ROUNDED.format(multiple), row)

    def _has_prompt(self, record, row):
        if "prompt" in record:
            return True
        if self._skip_empty:
            self._notes.add("rows left out, without a prompt", row)
        else:
            self._problems.add(row, "prompt", "is empty", "(a record needs one) fill it, or leave such rows out with --skip-empty")
        return False

    def _take_metadata(self, record, row, combination):
        kept = {}
        if column := self._plan.columns.get("metadata"):
            kept.update(_own_metadata(row.cells.get(column), row.cells_are_text))
        for column in self._plan.metadata:
            if (value := values.metadata_value(row.cells.get(column), row.cells_are_text)) is not ABSENT:
                kept[column] = value
        kept.update({name: value for name, value in combination.items() if name not in FIELDS and name != "size"})
        if kept:
            record["metadata"] = kept


def _as_given(field, value, row, problems, notes):
    """A value of the command line: an empty text is one."""
    return values.OF_KIND[field](field, value, row, problems, notes)


def _own_metadata(value, cells_are_text):
    """A column called metadata: an object, or the JSON of one; anything else keeps its name."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        value = parsed if isinstance(parsed, dict) else value
    made = values.metadata_value(value, cells_are_text)
    return {} if made is ABSENT else made if isinstance(made, dict) else {"metadata": made}
