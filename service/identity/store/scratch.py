"""Sorts who is who on disk: so it matters little how many records there are.

The scratch database is a file that has no name, so nobody else can open it; it is gone when it is closed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from service.identity.links import Link
from service.identity.persons import pair
from service.identity.review import expand
from service.identity.store.records import RecordName

_SCHEMA = """
PRAGMA journal_mode = OFF;
CREATE TABLE given (id INTEGER PRIMARY KEY, person INTEGER, institution TEXT, local_id TEXT, own TEXT);
CREATE TABLE waiting (a INTEGER, b INTEGER, score INTEGER, why TEXT);
"""
_PLACE = """
CREATE TABLE record (place INTEGER PRIMARY KEY, id INTEGER, person INTEGER, institution TEXT, local_id TEXT, own TEXT);
INSERT INTO record (id, person, institution, local_id, own) SELECT * FROM given ORDER BY institution, local_id, own;
CREATE UNIQUE INDEX record_by_id ON record (id);
CREATE INDEX record_by_person ON record (person);
CREATE TABLE person (id INTEGER PRIMARY KEY, label TEXT, n INTEGER);
INSERT INTO person SELECT person, label(min(own)), count(*) FROM record GROUP BY person;
DROP TABLE given;
"""
_RECORDS = """
SELECT DISTINCT institution, local_id, label,
    iif(n = 1 AND place IN (SELECT a FROM waiting UNION SELECT b FROM waiting), 'probable', 'confirmed')
FROM record JOIN person ON person.id = record.person ORDER BY 1, 2, 3, 4
"""
_REVIEW = """
WITH named AS (
    SELECT x.institution xi, x.local_id xl, y.institution yi, y.local_id yl, score, why
    FROM waiting JOIN record x ON x.place = a JOIN record y ON y.place = b),
directed AS (
    SELECT xi, xl, yi, yl, score, why FROM named WHERE (xi, xl) < (yi, yl)
    UNION ALL SELECT yi, yl, xi, xl, score, why FROM named WHERE (yi, yl) < (xi, xl)),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY xi, xl, yi, yl ORDER BY score DESC, why) AS n FROM directed)
SELECT xi, xl, yi, yl, score, why FROM ranked WHERE n = 1 ORDER BY score DESC, xi, xl, yi, yl
"""


class Scratch:
    """First all records, then what waits; then the rows to write, sorted.

    Records are known here by their place among all names, so that nothing hangs on the order in which they came.
    """

    def __enter__(self) -> Scratch:
        self._db = sqlite3.connect("")
        self._db.create_function("label", 1, label, deterministic=True)
        self._db.executescript(_SCHEMA)
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add_records(self, records: Iterable[tuple[int, int, RecordName]]) -> None:
        """All records: the id of each, its person's, its name."""
        rows = (
            (record, person, name.institution, name.local_id, f"{name}|{name.key}".replace("/", "|", 1))
            for record, person, name in records
        )
        self._db.executemany("INSERT INTO given VALUES (?, ?, ?, ?, ?)", rows)
        self._db.executescript(_PLACE)

    def add_waiting(self, lower: int, higher: int, links: Sequence[Link]) -> None:
        """The links that wait between two persons, as all pairs of their records."""
        persons = {one: group for group in (self._members(lower), self._members(higher)) for one in group}
        placed = [self._placed(one) for one in links]
        rows = [(one.a, one.b, one.score, ";".join(one.why)) for one in expand(placed, persons)]
        self._db.executemany("INSERT INTO waiting VALUES (?, ?, ?, ?)", rows)

    def _members(self, person: int) -> frozenset[int]:
        found = self._db.execute("SELECT place FROM record WHERE person = ?", (person,))
        return frozenset(place for (place,) in found)

    def _placed(self, link: Link) -> Link:
        a, b = pair(*(self._place(one) for one in link.pair))
        return replace(link, a=a, b=b)

    def _place(self, record: int) -> int:
        found = self._db.execute("SELECT place FROM record WHERE id = ?", (record,)).fetchone()
        return int(found[0])

    def records(self) -> Iterator[tuple[object, ...]]:
        """institution, local_id, person, tier. `probable`: it is alone, and waits for a decision."""
        yield from self._db.execute(_RECORDS)

    def review(self) -> Iterator[tuple[object, ...]]:
        """institution and local_id of both, score, why; the likeliest first, each two names once."""
        yield from self._db.execute(_REVIEW)


def label(smallest: str) -> str:
    """The person's label, from the smallest `institution|local_id|key` of its records."""
    return hashlib.sha256(smallest.encode()).hexdigest()[:16]
