"""Which version is current: a function of what arrived, not of the order it arrived in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.registry.ledger import CURRENT, RETIRED, SUPERSEDED, Ledger, Version
from service.registry.versions import is_older


def version(content: str, at: int | None = 0, rank: int = 1, root: str = "r1", number: str = "N1") -> Version:
    return Version(number, root, content.encode(), at, rank, record_id=1)


def states(ledger: Ledger) -> dict[str, str]:
    return {one.digest.decode(): one.state for one in ledger.changes()}


@pytest.mark.parametrize(
    ("at", "rank", "than_at", "than_rank", "older"),
    [
        pytest.param(1, 3, 2, 0, True, id="earlier time loses to any rank"),
        pytest.param(2, 0, 1, 3, False, id="later time wins over any rank"),
        pytest.param(1, 0, 1, 1, True, id="equal times: lower rank is older"),
        pytest.param(None, 0, 5, 1, True, id="one time unknown: rank decides"),
        pytest.param(5, 1, None, 0, False, id="one time unknown: higher rank is not older"),
        pytest.param(1, 1, 1, 1, False, id="equal in both: arrival decides"),
        pytest.param(None, 1, None, 1, False, id="nothing known: arrival decides"),
    ],
)
def test_order_of_versions(at: int | None, rank: int, than_at: int | None, than_rank: int, older: bool) -> None:
    assert is_older(at, rank, than_at, than_rank) is older


def test_late_older_version_again_is_kept_once() -> None:
    ledger = Ledger()
    assert [ledger.add(version("new", 2)), ledger.add(version("old", 1)), ledger.add(version("old", 1))] == [
        "new",
        "unchanged",
        "unchanged",
    ]
    assert states(ledger) == {"new": CURRENT, "old": SUPERSEDED}


def test_retired_version_that_comes_late_may_stand_again() -> None:
    ledger = Ledger()
    for one in (version("a", 1, root="r1"), version("b", 2, root="r2")):
        ledger.add(one)
    assert ledger.retire("r1", ()) == 0  # it was not the current one
    ledger.add(version("a", 1, root="r1"))
    assert ledger.retire("r2", ()) == 1
    assert states(ledger) == {"a": CURRENT, "b": RETIRED}


def test_number_still_made_is_not_retired() -> None:
    ledger = Ledger()
    ledger.add(version("a"))
    ledger.add(version("b", number="N2"))
    assert ledger.retire("r1", {"N1"}) == 1
    assert states(ledger) == {"a": CURRENT, "b": RETIRED}


def test_stored_version_that_stays_as_it_is_is_no_change() -> None:
    ledger = Ledger()
    ledger.load(replace(version("a"), version=1, was=CURRENT, id=7))
    assert ledger.add(version("a")) == "unchanged"
    assert ledger.changes() == []


def test_of_two_roots_that_nothing_tells_apart_the_one_sent_later_stands_whichever_is_indexed_again() -> None:
    ledger = Ledger()
    first, second = replace(version("a", root="r1"), place=(1, 0)), replace(version("b", root="r2"), place=(2, 0))
    ledger.add(first)
    ledger.add(second)
    assert ledger.add(replace(version("a read anew", root="r1"), place=(1, 0))) == "unchanged"
    assert ledger.add(replace(version("b", root="r2"), place=(2, 0))) == "unchanged"
    assert states(ledger) == {"a": SUPERSEDED, "b": CURRENT, "a read anew": SUPERSEDED}
    assert ledger.retire("r2", ()) == 1
    assert states(ledger) == {"a": SUPERSEDED, "b": RETIRED, "a read anew": CURRENT}


DATED = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from(["r1", "r2", "r3"])), unique_by=lambda v: v[:2]
)


@given(DATED.flatmap(lambda made: st.tuples(st.just(made), st.permutations(made))), st.sampled_from(["r1", "r2"]))
def test_order_of_arrival_never_changes_what_is_current(
    orders: tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]], retired: str
) -> None:
    outcomes = []
    for order in orders:
        ledger = Ledger()
        for at, rank, root in order:
            ledger.add(version(f"{at}/{rank}/{root}", at, rank, root))
        ledger.retire(retired, ())
        outcomes.append(states(ledger))
    assert outcomes[0] == outcomes[1]
    left = [one for one in orders[0] if one[2] != retired]
    best = max(left, default=None)
    current = [digest for digest, state in outcomes[0].items() if state == CURRENT]
    assert current == ([] if best is None else ["/".join(map(str, best))])


@given(DATED, st.data())
def test_never_two_current_versions(made: list[tuple[int, int, str]], data: st.DataObject) -> None:
    ledger = Ledger()
    for at, rank, root in made:
        ledger.add(version(f"{at}/{rank}/{root}", at, rank, root, data.draw(st.sampled_from(["N1", "N2"]))))
        if data.draw(st.booleans()):
            ledger.retire(root, data.draw(st.sampled_from([(), ("N1",)])))
        current = [one.number for one in ledger.changes() if one.state == CURRENT]
        assert len(current) == len(set(current))
