"""A change is done when all its portions are stored, in whatever order they come back."""

from __future__ import annotations

from service.decisions.reach import BATCH, Renewal, _batches, _Tally
from service.registry.reach import Change

ONE, TWO = (Change(number, 0, "unlink", "wang", ()) for number in (1, 2))


def test_last_portion_that_comes_back_first_does_not_finish_its_change() -> None:
    tally = _Tally()
    first, last = tally.noting(iter([(ONE, ["a"], False), (ONE, ["b"], True)]))
    assert tally.finished([(last, [])], ()) == []
    assert tally.finished([(first, [])], ()) == [1]


def test_change_whose_listing_has_not_ended_is_not_finished() -> None:
    tally = _Tally()
    noted = tally.noting(iter([(ONE, ["a"], False), (ONE, ["b"], True)]))
    assert tally.finished([(next(noted), [])], ()) == []
    assert tally.finished([(next(noted), [])], ()) == [1]


def test_change_with_a_decision_that_must_be_evaluated_again_waits() -> None:
    tally = _Tally()
    one, two, three = tally.noting(iter([(ONE, ["a"], False), (TWO, ["b"], True), (ONE, ["c"], True)]))
    assert tally.finished([(one, []), (two, [])], {1}) == [2]
    assert tally.finished([(three, [])], ()) == []


def test_batches_hold_every_renewal_once_and_in_order() -> None:
    renewals: list[Renewal] = [((ONE, [str(n)]), []) for n in range(2 * BATCH + 50)]
    batches = list(_batches(iter(renewals)))
    assert [one for batch in batches for one in batch] == renewals
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 50]
