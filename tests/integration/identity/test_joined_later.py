"""A ruling holds for what joins either side later: what was decided before on both is taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from service.registry.tables import decision
from tests.support.persons import LI, patient
from tests.support.whole import Whole

pytestmark = pytest.mark.slow


def test_record_that_joins_another_person_takes_back_what_rested_on_it_for_this_one(
    database_url: str, tmp_path: Path
) -> None:
    whole = Whole(tmp_path / "home", database_url)
    hers, found, another = patient("10001"), patient("10002", LI), patient("10003", phones=("13900001111",))
    for hospital, facts in (("req", hers), ("nat", found), ("prov", another)):
        whole.arrive(hospital, [facts])
    whole.rule("not_same", "req/10001", "prov/10003", "wang")
    whole.decide("req", replace(hers, identifiers=(*hers.identifiers, *found.identifiers)))
    assert states(whole) == ["standing"]
    whole.arrive("nat", [replace(found, phones=another.phones)])
    assert states(whole) == ["identity-invalidated"]
    whole.reach()
    assert states(whole) == ["identity-invalidated", "standing"]
    whole.close()


def states(whole: Whole) -> list[str]:
    with whole.parts.database.read() as conn:
        return list(conn.execute(select(decision.c.state).order_by(decision.c.id)).scalars())
