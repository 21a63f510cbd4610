"""What a listing names and no question by time gave: it is fetched by its key by the next run, once, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from service.ingest.source import Cursor, Listing, Pulled, RawRecord, Retriable
from service.pulling import missing
from service.registry import missed
from service.security.keys import KeyRing
from tests.support.pulled import everything, glucose, patient
from tests.support.pulling import Installation, installation

pytestmark = pytest.mark.slow


@dataclass
class Lists:
    """A source that gives `given` in each run, then a listing of all it `holds`; what it holds it gives by key too."""

    given: list[RawRecord]
    holds: dict[str, RawRecord] = field(default_factory=dict)
    expected: frozenset[str] | None = None
    changed: dict[str, datetime] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)
    size: int = 50
    fail: Callable[[list[str]], None] = lambda _keys: None

    def __post_init__(self) -> None:
        self.holds = self.holds or {one.key: one for one in self.given}

    def pull(self, _cursor: Cursor | None) -> Iterator[Pulled]:
        """All there is, and its keys."""
        keys = frozenset(self.holds)
        expected = keys if self.expected is None else self.expected
        yield Pulled(tuple(self.given), {"at": 1}, scope="all")
        yield Pulled((), {"at": 2}, scope="all", listing=Listing("all", keys, expected, self.changed))

    def fetch(self, keys: Sequence[str]) -> Iterator[Pulled]:
        """Those of these that it holds."""
        self.asked.append(sorted(keys))
        for n in range(0, len(keys), self.size):
            part = list(keys[n : n + self.size])
            self.fail(part)
            found = tuple(self.holds[key] for key in part if key in self.holds)
            yield Pulled(found, {}, scope="all", asked=frozenset(part))


@pytest.fixture
def house(tmp_path: Path, sqlite_template: Path, keys: KeyRing) -> Iterator[Installation]:
    with installation(tmp_path, sqlite_template, keys) as made:
        yield made


def missed_there(house: Installation) -> tuple[int, int]:
    with house.database.read() as conn:
        return missed.count_missed(conn, house.database.now_us() + 1).get(house.name, (0, 0))


def lacking(count: int, lacks: int) -> Lists:
    """A source that holds `count` examinations, and does not give the last `lacks` by itself."""
    records = everything(count)
    return Lists(records[: 3 * (count - lacks)], {one.key: one for one in records})


def test_what_never_came_is_fetched_by_the_next_run_and_counted(house: Installation) -> None:
    source = lacking(5, 2)
    house.pull(source)
    assert (source.asked, missed_there(house)) == ([], (6, 0))
    outcome = house.pull(source)
    assert (outcome.stored, outcome.error) == (6, None)
    assert len(house.contents().reports) == 5
    assert (missed_there(house), house.days()["fetched"]) == ((0, 0), 6)
    house.pull(source)
    assert source.asked == [sorted(one.key for one in everything(5)[9:])]
    assert house.store().cursor() == {"at": 2}
    house.check_every_record_is_counted()


def test_what_comes_by_itself_with_the_next_run_is_not_fetched(house: Installation) -> None:
    source = lacking(3, 1)
    house.pull(source)
    source.given = everything(3)
    house.pull(source)
    assert (source.asked, missed_there(house)) == ([], (0, 0))
    assert "fetched" not in house.days()


def test_source_that_cannot_fetch_is_pulled_as_ever(house: Installation) -> None:
    @dataclass
    class Plain:
        inner: Lists

        def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
            yield from self.inner.pull(cursor)

    source = Plain(lacking(3, 1))
    assert [house.pull(source).error for _ in range(2)] == [None, None]
    assert missed_there(house) == (3, 0)


def test_fetching_that_breaks_off_goes_on_where_it_was(house: Installation) -> None:
    source = lacking(6, 4)
    source.size = 3
    house.pull(source)
    source.fail = lambda part: _fail_unless("DiagnosticReport/r2" in part)
    outcome = house.pull(source)
    assert outcome.error is not None
    assert (outcome.error.code, missed_there(house)) == ("cut-off", (9, 0))
    source.fail = lambda _part: None
    assert house.pull(source).stored == 9
    assert len(house.contents().reports) == 6
    house.check_every_record_is_counted()


def _fail_unless(usable: bool) -> None:
    if not usable:
        raise Retriable("cut-off", "the line broke")


def test_no_run_fetches_more_than_its_share(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing, "_MOST_AT_ONCE", 4)
    source = lacking(5, 3)
    for left in (9, 5, 1, 0):
        house.pull(source)
        assert missed_there(house) == (left, 0)
    assert [len(one) for one in source.asked] == [4, 4, 1]


def test_what_is_not_given_is_asked_for_ten_times_and_forgotten_when_it_is_named_no_more(house: Installation) -> None:
    source = Lists(everything(2))
    ghost = patient(9)
    source.fetch = lambda keys: iter([Pulled((), {}, asked=frozenset(keys))])  # type: ignore[method-assign]
    source.holds[ghost.key] = ghost
    for _ in range(missed.MOST_TRIES):
        house.pull(source)
    assert missed_there(house) == (1, 0)
    house.pull(source)
    assert missed_there(house) == (0, 1)
    assert house.store().missed(house.database.now_us(), 9) == []
    del source.holds[ghost.key]
    house.pull(source)
    assert missed_there(house) == (0, 0)


def test_what_listings_missed_twice_and_name_again_stands_again(house: Installation) -> None:
    source = Lists(everything(3))
    house.pull(source)
    before = house.contents()
    gone = source.holds.pop("DiagnosticReport/r1")
    source.given.remove(gone)
    assert [house.pull(source).deleted for _ in range(2)] == [0, 1]
    assert len(_standing(house)) == 2
    source.holds[gone.key] = gone
    assert [house.pull(source).stored for _ in range(2)] == [0, 1]
    assert house.contents() == before


def test_what_the_source_deleted_is_not_brought_back_by_an_index_that_is_late(house: Installation) -> None:
    source = Lists(everything(3))
    house.pull(source)
    gone = source.holds["DiagnosticReport/r1"]
    told = b'{"request":{"method":"DELETE","url":"DiagnosticReport/r1"}}'
    source.given[source.given.index(gone)] = RawRecord(gone.key, gone.media, told, is_deletion=True)
    for _ in range(3):
        house.pull(source)
    assert (source.asked, len(_standing(house))) == ([], 2)


def test_correction_that_no_question_by_time_gave_is_fetched(house: Installation) -> None:
    at = datetime.fromisoformat("2026-11-20T08:00:00+08:00")
    source = Lists(everything(3), changed={f"Observation/o{n}": at for n in range(3)})
    house.pull(source)
    house.pull(source)
    assert source.asked == []
    later = at + timedelta(minutes=1)
    source.holds["Observation/o1"] = glucose(1, "9.90", updated=later.isoformat())
    source.changed["Observation/o1"] = later
    house.pull(source)
    source.given = []
    house.pull(source)
    assert source.asked == [["Observation/o1"]]
    assert house.days()["fetched"] == 1
    assert "9.90" in {value for _, _, value in house.contents().results}


def test_version_that_is_listed_as_newer_and_is_the_same_counts_as_nothing(house: Installation) -> None:
    source = Lists(everything(1), changed={"Observation/o0": datetime.fromisoformat("2026-11-21T08:00:00+08:00")})
    for _ in range(3):
        house.pull(source)
        source.given = []
    assert "fetched" not in house.days()
    assert house.contents().statuses() == {"r0": "final"}


def test_listing_that_is_not_believed_makes_nothing_missed(house: Installation) -> None:
    house.pull(Lists(everything(8)))
    other = Lists(everything(1), {f"Patient/x{n}": patient(n) for n in range(40)})
    assert house.pull(other).warning is not None
    assert missed_there(house) == (0, 0)


def test_only_what_is_expected_by_now_is_missed(house: Installation) -> None:
    source = lacking(4, 2)
    source.expected = frozenset({"Patient/p3", "Patient/of-another-scope"})
    house.pull(source)
    assert house.store().missed(house.database.now_us(), 9) == ["Patient/p3"]


def test_no_key_of_a_patient_stands_in_the_clear(house: Installation, tmp_path: Path) -> None:
    secret = "Patient/11010519491231002X"
    source = Lists(everything(1))
    source.holds[secret] = patient(9)
    house.pull(source)
    assert missed_there(house) == (1, 0)
    assert not any(secret[8:].encode() in file.read_bytes() for file in tmp_path.iterdir())
    house.pull(source)
    assert source.asked == [[secret]]


def _standing(house: Installation) -> list[str]:
    return [one for one in house.contents().statuses().values() if one != "entered-in-error"]
