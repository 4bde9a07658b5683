"""Ids that stay: they depend on what a record asks for, never on where its row stands."""
import hashlib
import json
import re
import unicodedata

from .notes import quoted

LONGEST = 128
NOT_ASKED = ("id", "tags", "metadata", "num_images")  # more images of a record, or other notes on it, keep its id


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def asked(record):
    """16 hexadecimal digits of what decides the picture: other fields, other digits."""
    fields = {name: value for name, value in record.items() if name not in NOT_ASKED}
    return digest(json.dumps(fields, sort_keys=True))[:16]


def words_of(prompt):
    """The first words of a prompt, as far as ids can hold them."""
    plain = unicodedata.normalize("NFKD", prompt[:200]).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return (words[:32].rsplit("-", 1)[0] if len(words) > 32 else words) or "image"


def clean(given):
    """An id that can be one: what cannot stay is replaced, and eight digits of the whole text keep it apart from others."""
    good = re.sub(r"[^A-Za-z0-9._-]", "_", given)
    if good == given and len(good) <= LONGEST and good not in (".", ".."):
        return good
    return f"{good[:LONGEST - 9]}-{digest(given)[:8]}"


class Ids:
    """Gives each record its id; knows those given before."""

    def __init__(self, problems, notes, unique):
        self._problems, self._notes, self._unique = problems, notes, unique
        self._given = {}  # id -> (what it asks for, its line)
        self._repeats = {}  # id -> how often its record was asked for
        self.made = self.taken = 0

    def give(self, record, given, row):
        """Sets record["id"]; False: the record was there before, and is left out."""
        content = asked(record)
        return self._take(record, given, content, row) if given else self._make(record, content, row)

    def _take(self, record, given, content, row):
        name = clean(given)
        if name != given:
            self._notes.add("ids changed to A-Z a-z 0-9 . _ - and eight digits (as they were under metadata.id)", row)
            record.setdefault("metadata", {}).setdefault("id", given)
        before = self._given.get(name)
        if before and before[0] == content:
            self._notes.add("rows left out, whose id and all that they ask for were there before", row)
            return False
        if before:
            self._problems.add(row, "id", f"{quoted(name)} was used for another record ({before[1]})",
                               "(an id names one record) rename one, or --ids content: made from what is asked, yours under metadata")
            return False
        self._given[name] = (content, row.line)
        record["id"] = name
        self.taken += 1
        return True

    def _make(self, record, content, row):
        name = first = f"{words_of(record['prompt'])}-{content}"
        number = self._repeats.get(first, 1)
        while name in self._given:
            number += 1
            name = f"{first}-{number}"
        if number > 1:
            self._repeats[first] = number - 1 if self._unique else number
        if number > 1 and self._unique:
            self._notes.add("rows left out, since an earlier one asks for the same", row)
            return False
        if number > 1:
            self._notes.add("rows that ask for what an earlier one asks, with -2, -3 ... behind their ids (--unique leaves them out)", row)
        self._given[name] = (content, row.line)
        record["id"] = name
        self.made += 1
        return True
