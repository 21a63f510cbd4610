"""How far a pull is, and what a run of `--watch` says."""

from __future__ import annotations

import pytest

from service.cli.pull_view import Done, arrivals, complaints, counts_of, lines, watch_line
from service.domain.errors import Unavailable
from service.ingest.source import Retriable
from service.pulling.run import At, Outcome
from service.pulling.unbelieved import Unbelieved


def outcome(**more: object) -> Outcome:
    made = Outcome("city", received=10, known=4, deleted=1, ignored={"type": 2})
    for kind in ("new", "updated", "unchanged", "ignored", "rejected"):
        made.counts.add("Observation", kind)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_everything_received_is_counted_once() -> None:
    assert counts_of(outcome()) == {
        "received": 10, "new": 1, "updated": 1, "unchanged": 5, "ignored": 3, "rejected": 1, "deleted": 1,
    }  # fmt: skip


def test_without_a_terminal_each_source_speaks_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    line = lines(lambda: now[0])
    for at in (0.0, 3.0, 5.0, 6.0, 11.0):
        now[0] = at
        line(At("city", 1000 + int(at), 7, 50, 200))
    line(At("county", 1, 1))
    assert capsys.readouterr().err.splitlines() == [
        "city: 1,005 received, 7 not known before; 50 of 200", "city: 1,011 received, 7 not known before; 50 of 200",
    ]  # fmt: skip


def test_arrivals_are_told_when_they_pause_and_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    line = arrivals(lambda: now[0])
    for at, received in ((1, 3), (2, 30), (3, 30), (4, 30), (5, 40), (9, 70), (10, 70), (11, 2), (12, 2)):
        now[0] = float(at)
        line(At("pacs", received, received))
    told = [one.split(" ", 1)[1] for one in capsys.readouterr().out.splitlines()]
    assert told == ["pacs: 30 received", "pacs: 40 received", "pacs: 2 received"]


def test_the_same_trouble_is_told_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    complain = complaints(lambda: now[0])
    for at in range(150):
        now[0] = at / 2
        complain("pacs: the disk is full" if at < 140 else "pacs: the database is away")
    told = [one.split(" ", 2)[2] for one in capsys.readouterr().err.splitlines()]
    assert told == ["the disk is full", "the disk is full", "the database is away"]


@pytest.mark.parametrize(("given", "said"), [
    (outcome(), "city: 10 received, 1 new, 1 updated, 5 unchanged, 3 ignored, 1 rejected, 1 deleted"),
    (Outcome("city"), None),
    (None, None),
    (Outcome("city", warning=Unbelieved(300, 400, "x")), f"city: nothing new; warning: {Unbelieved(300, 400, 'x').en}"),
    (Outcome("city", error=Retriable("slow", "too slow")), "city FAILED: slow: too slow"),
])  # fmt: skip
def test_a_run_is_told_in_one_line_where_there_is_something_to_tell(given: Outcome | None, said: str | None) -> None:
    line = watch_line("city", given, None)
    assert line is None if said is None else line is not None and line.split(" ", 1)[1] == said


def test_what_could_not_be_tried_is_told() -> None:
    line = watch_line("city", None, Unavailable("the database is away"))
    assert line is not None
    assert line.endswith("city FAILED: the database is away")


def test_a_failed_run_is_named_by_code_and_text() -> None:
    assert Done.of("city", Outcome("city", error=Retriable("slow", "too slow")), 1.0).trouble == "slow: too slow"
    assert Done.of("city", None, 1.0).trouble == ""
