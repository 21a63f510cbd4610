"""The page on linking says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from service.identity.evaluation_files import RECORD_COLUMNS, TRUTH_COLUMNS
from service.identity.evidence import Outcome
from service.identity.links import BY_PERSON, CROWD_PEOPLE, CROWD_RECORDS
from service.identity.persons import MOST_RECORDS
from service.identity.rules import RULES, Tier
from service.identity.store.export import RECORDS, REVIEW
from service.identity.words import RULES as TEXTS

PAGE = (Path(__file__).parents[2] / "docs" / "identity.md").read_text("utf-8")


def rows(*heading: str) -> list[list[str]]:
    """The rows of the table with this heading, cells stripped of blanks and back quotes."""
    table = PAGE.split(f"| {' | '.join(heading)} |\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def test_every_rule_stands_there_in_its_order_with_tier_score_and_source() -> None:
    written = rows("rule", "tier", "score", "what it says", "source")
    judged = [[one.name, one.tier.value, str(one.score)] for one in RULES] + [[BY_PERSON, "confirmed", "100"]]
    assert [one[:3] for one in written] == judged
    assert [one[3:] for one in written] == [[TEXTS[one[0]].en, TEXTS[one[0]].source[1]] for one in written]


def test_outcomes_tiers_and_limits_are_those_of_the_program() -> None:
    assert {one[0] for one in rows("outcome", "means")} == set(Outcome)
    assert {one[0] for one in rows("tier", "means")} == set(Tier)
    assert f"more than {CROWD_PEOPLE} people or {CROWD_RECORDS}\nrecords" in PAGE
    assert f"at most {MOST_RECORDS}." in PAGE


def test_columns_of_every_file_are_listed() -> None:
    text = re.sub(r",\s+", ",", PAGE)
    for columns in (RECORDS, REVIEW, RECORD_COLUMNS, TRUTH_COLUMNS):
        assert f"`{','.join(columns)}`" in text
