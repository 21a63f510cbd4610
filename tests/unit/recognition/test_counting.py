"""Counts of one group."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from service.recognition.counting import Answered, Counts
from service.recognition.prompts import Offer, read_offers
from service.recognition.reasons import REASONS, leaves_the_rate


def offer(item: str, amount: str = "5", dose: float = 0.0) -> Offer:
    return Offer(item, "city", "全国HR", amount, dose)


def counts(*prompts: tuple[list[Offer], Answered]) -> Counts:
    made = Counts()
    for offers, answer in prompts:
        made.add(offers, answer)
    return made


def test_rate_counts_items_of_answered_prompts_only() -> None:
    made = counts(
        ([offer("a"), offer("b")], Answered("recognised", frozenset({"a"}))),
        ([offer("c")], Answered("repeated", reasons=("emergency",))),
        ([offer("d")], Answered(None)),
    )
    assert (made.items_offered, made.items_answered, made.items_recognised) == (4, 3, 1)
    assert made.shown()["rate"] == round(1 / 3, 4)


def test_excluded_reason_leaves_the_rate_but_not_the_repeats() -> None:
    made = counts(([offer("a")], Answered("repeated", reasons=("serial-monitoring",))))
    assert (made.repeated, made.items_answered, made.shown()["rate"]) == (1, 0, None)


def test_one_counted_reason_beside_an_excluded_one_counts() -> None:
    assert not leaves_the_rate(["serial-monitoring", "quality-doubt"])
    assert not leaves_the_rate(())


def test_only_what_was_recognised_saves() -> None:
    offers = [offer("CT.CHEST", "180", 6.5), offer("b", "20.10")]
    made = counts((offers, Answered("recognised", frozenset({"b"}))))
    assert (made.shown()["amount"], made.shown()["doseMSv"]) == (20.1, 0.0)


OFFERED = '[{"item":"a","issuer":"x","mark":"HR","amount":"6","doseMSv":0.1},{"item":"b","issuer":"x","amount":"2"}]'


def test_panel_price_is_shared_out_when_the_whole_panel_was_recognised() -> None:
    amounts = [Decimal(one.amount) for one in read_offers(OFFERED, "reusable", "20", frozenset({"a", "b"}))]
    assert amounts == [Decimal(15), Decimal(5)]


def test_panel_price_does_not_count_for_a_part() -> None:
    assert [Decimal(one.amount) for one in read_offers(OFFERED, "reusable", "20", frozenset({"a"}))] == [6, 2]
    assert [Decimal(one.amount) for one in read_offers(OFFERED, "partial", "20", frozenset({"a", "b"}))] == [6, 2]


def test_panel_price_of_unpriced_items_is_shared_evenly() -> None:
    offered = OFFERED.replace('"6"', '"0"').replace('"2"', '"0"')
    assert [Decimal(one.amount) for one in read_offers(offered, "review", "20", frozenset({"a", "b"}))] == [10, 10]


ANSWERS = st.one_of(
    st.just(Answered(None)),
    st.frozensets(st.sampled_from("abcd")).map(lambda items: Answered("recognised", items)),
    st.lists(st.sampled_from(sorted(REASONS)), max_size=3).map(
        lambda codes: Answered("repeated", reasons=tuple(codes))
    ),
)


@given(st.lists(st.tuples(st.lists(st.sampled_from("abcd"), min_size=1, unique=True), ANSWERS), max_size=20))
def test_prompts_are_recognised_repeated_or_unanswered_and_the_rate_stays_below_one(
    prompts: list[tuple[list[str], Answered]],
) -> None:
    made = counts(*(([offer(item) for item in items], answer) for items, answer in prompts))
    assert made.recognised + made.repeated + made.unanswered == made.prompts == len(prompts)
    assert 0 <= made.items_recognised <= made.items_answered <= made.items_offered
    assert 0 <= (made.shown()["rate"] or 0) <= 1
