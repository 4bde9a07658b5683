"""What went wrong and what was done, by kind: each once, with how often and where first."""


class BadInput(Exception):
    """Ends the program with its exit code for input that is wrong."""


class Usage(BadInput):
    """Ends the program with its exit code for a command line that is wrong."""


class Row:
    """Cells by column, and where they stand. In a table of texts an empty cell is none."""
    __slots__ = ("path", "line", "cells", "cells_are_text")

    def __init__(self, path, line, cells, cells_are_text=False):
        self.path, self.line, self.cells, self.cells_are_text = path, line, cells, cells_are_text

    def __str__(self):
        return f"{self.path}:{self.line}" if self.line else self.path


class Problems:
    """One line a kind of problem: a column that is wrong in all rows is one."""
    MOST_PLACES = 5

    def __init__(self):
        self._kinds = {}  # (field, why) -> [first text, further rows]

    def add(self, row, field, problem, why):
        """`why` is `(why) suggestion`, equal for all problems of a kind."""
        found = self._kinds.setdefault((row.path, field, why), [f"{row}: {field}: {problem} {why}", []])
        found[1].append(row.line)

    def raise_if_any(self):
        if not self._kinds:
            return
        lines = []
        for text, places in self._kinds.values():
            more = places[1:]
            shown = ", ".join(map(str, more[:self.MOST_PLACES])) + (", ..." if len(more) > self.MOST_PLACES else "")
            lines.append(text + (f"; also in {len(more)} more: {shown}" if more else ""))
        raise BadInput("\n".join(lines))


class Notes:
    """What was done to rows: how many, and to which first."""

    def __init__(self):
        self._kinds = {}  # text -> [rows, first row, last row]

    def add(self, text, row):
        found = self._kinds.setdefault(text, [0, row, None])
        if found[2] is not row:  # once, however many records it becomes
            found[0] += 1
            found[2] = row

    def lines(self):
        return [f"{text}: {count} ({'first: ' if count > 1 else ''}{first})" for text, (count, first, _) in self._kinds.items()]


def quoted(text, most=60):
    text = str(text)
    return f'"{text if len(text) <= most else text[:most] + "..."}"'
