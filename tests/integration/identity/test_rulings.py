"""What people rule about two records: who may, when it takes effect, and that no later run undoes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from service.audit.log import AuditLog
from service.domain.errors import Contradiction, InvalidInput, NotFound, NotPermitted
from service.domain.person import PatientFacts
from service.identity.store.linker import Linker
from service.identity.store.records import all_names
from service.identity.store.ruled import read_reasons
from service.identity.store.rulings import Opposed, Rulings
from service.registry.database import Database
from service.registry.tables import audit, identity_change, identity_link, identity_ruling
from service.security.caller import Role
from service.security.keys import KeyRing
from tests.support.persons import HER_TWIN, LI, WANG, ZHAO, patient, register

HERS = ("city", patient("1", LI))
ALSO_HERS = ("county", patient("2", LI))
PERHAPS_HERS = ("town", patient("3"))
HER_SISTERS = ("rural", patient("4", HER_TWIN, name="李芳"))


@pytest.fixture
def rulings(database: Database, keys: KeyRing) -> Rulings:
    return Rulings(database, keys, Linker(database, keys), AuditLog(database, keys))


@pytest.fixture
def store(database: Database, keys: KeyRing) -> Callable[..., None]:
    def stored(*patients: tuple[str, PatientFacts]) -> None:
        register(database, keys, *patients)

    return stored


def persons(database: Database, keys: KeyRing) -> list[list[str]]:
    """Who is one person now, by name."""
    found: dict[int, list[str]] = {}
    with database.snapshot() as conn:
        for _, person, name in all_names(conn, keys):
            found.setdefault(person, []).append(str(name))
    return sorted(sorted(one) for one in found.values())


def link(rulings: Rulings, a: str, b: str) -> None:
    rulings.link(a, b, "same ward book", WANG)
    rulings.link(a, b, "asked her", ZHAO)


def rebuild(database: Database, keys: KeyRing) -> None:
    with database.write() as conn:
        Linker(database, keys).take_up_again(conn, [one for one, _, _ in all_names(conn, keys)], database.now_us())


def test_link_takes_effect_when_another_user_confirms_it(
    database: Database, keys: KeyRing, rulings: Rulings, store: Callable[..., None]
) -> None:
    store(HERS, PERHAPS_HERS)
    proposed = rulings.link("city/1", "town/3", "same ward book", WANG)
    assert (proposed.state, proposed.change) == ("proposed", None)
    assert persons(database, keys) == [["city/1"], ["town/3"]]
    with pytest.raises(Contradiction, match="another user"):
        rulings.link("town/3", "city/1", "I am sure", WANG)
    with pytest.raises(Contradiction, match="another user"):
        rulings.link("city/1", "town/3", "I am sure", replace(WANG, actor="cli:Wang (typed by root)"))
    confirmed = rulings.link("town/3", "city/1", "asked her", ZHAO)
    assert confirmed.state == "in-force"
    assert confirmed.rulings == proposed.rulings
    assert persons(database, keys) == [["city/1", "town/3"]]
    with database.read() as conn:
        change = conn.execute(select(identity_change)).one()
        (reasons,) = read_reasons(conn, keys, confirmed.rulings).values()
    assert (change.id, change.cause, change.actor) == (confirmed.change, "link", "zhao")
    assert (reasons.proposed, reasons.settled, reasons.ended) == ("same ward book", "asked her", None)
    with pytest.raises(Contradiction, match="already"):
        rulings.link("city/1", "town/3", "once more", WANG)


def test_link_of_records_that_contradict_each_other_stays(
    database: Database, keys: KeyRing, rulings: Rulings, store: Callable[..., None]
) -> None:
    store(HERS, HER_SISTERS)
    link(rulings, "city/1", "rural/4")
    together = [["city/1", "rural/4"]]
    assert persons(database, keys) == together
    store(HERS, HER_SISTERS, ("rural", replace(HER_SISTERS[1], phones=("13900001111",))))
    rebuild(database, keys)
    assert persons(database, keys) == together


@pytest.mark.parametrize("how", ["unlink", "not_same"])
def test_parting_what_the_rules_joined_survives_the_same_files_and_a_rebuild(
    database: Database, keys: KeyRing, rulings: Rulings, store: Callable[..., None], how: str
) -> None:
    store(HERS, ALSO_HERS)
    assert persons(database, keys) == [["city/1", "county/2"]]
    parted = getattr(rulings, how)("city/1", "county/2", "two sisters, one card", WANG)
    apart = [["city/1"], ["county/2"]]
    assert parted.state == "in-force"
    assert persons(database, keys) == apart
    store(HERS, ("county", replace(ALSO_HERS[1], phones=("13900001111",))), ALSO_HERS)
    rebuild(database, keys)
    assert persons(database, keys) == apart
    with pytest.raises(Contradiction):
        getattr(rulings, how)("city/1", "county/2", "again", WANG)


def test_unlink_ends_the_link_that_people_made_and_link_needs_it_withdrawn(
    database: Database, keys: KeyRing, rulings: Rulings, store: Callable[..., None]
) -> None:
    store(HERS, PERHAPS_HERS)
    link(rulings, "city/1", "town/3")
    with pytest.raises(Opposed, match="unlink ends that"):
        rulings.not_same("city/1", "town/3", "no", ZHAO)
    rulings.unlink("city/1", "town/3", "her cousin", ZHAO)
    assert persons(database, keys) == [["city/1"], ["town/3"]]
    with pytest.raises(Opposed) as opposed:
        rulings.link("city/1", "town/3", "she is", WANG)
    assert opposed.value.pairs == (("city/1", "town/3"),)
    assert "city/1" not in str(opposed.value)
    rulings.withdraw("city/1", "town/3", "not her cousin after all", WANG)
    link(rulings, "city/1", "town/3")
    assert persons(database, keys) == [["city/1", "town/3"]]
    with database.read() as conn:
        rows = conn.execute(select(identity_ruling.c.ruling, identity_ruling.c.state).order_by(identity_ruling.c.id))
        assert [tuple(row) for row in rows] == [("same", "ended"), ("not-same", "ended"), ("same", "in-force")]


def test_link_is_refused_while_other_records_of_the_persons_are_ruled_apart(
    rulings: Rulings, store: Callable[..., None]
) -> None:
    store(HERS, ALSO_HERS, PERHAPS_HERS)
    rulings.not_same("county/2", "town/3", "two ages", WANG)
    with pytest.raises(Opposed, match="two persons") as opposed:
        rulings.link("city/1", "town/3", "she is", WANG)
    assert opposed.value.pairs == (("county/2", "town/3"),)


def test_unlink_is_refused_where_links_of_people_on_others_hold_them_together(
    rulings: Rulings, store: Callable[..., None], database: Database, keys: KeyRing
) -> None:
    store(HERS, PERHAPS_HERS, HER_SISTERS)
    link(rulings, "city/1", "town/3")
    link(rulings, "town/3", "rural/4")
    for part in (rulings.unlink, rulings.not_same):
        with pytest.raises(Opposed, match="other records") as opposed:
            part("city/1", "rural/4", "sisters", WANG)
        assert opposed.value.pairs == (("city/1", "town/3"), ("town/3", "rural/4"))
    assert persons(database, keys) == [["city/1", "rural/4", "town/3"]]


def test_unlink_of_two_who_are_not_one_person_says_what_to_use(rulings: Rulings, store: Callable[..., None]) -> None:
    store(HERS, PERHAPS_HERS)
    with pytest.raises(Contradiction, match="use not-same"):
        rulings.unlink("city/1", "town/3", "no", WANG)


def test_withdrawing_lets_the_rules_judge_again(
    database: Database, keys: KeyRing, rulings: Rulings, store: Callable[..., None]
) -> None:
    store(HERS, ALSO_HERS)
    rulings.unlink("city/1", "county/2", "two sisters", WANG)
    taken_back = rulings.withdraw("city/1", "county/2", "wrong book", ZHAO)
    assert (taken_back.state, taken_back.change is None) == ("withdrawn", False)
    assert persons(database, keys) == [["city/1", "county/2"]]
    with pytest.raises(NotFound):
        rulings.withdraw("city/1", "county/2", "again", ZHAO)


@pytest.mark.parametrize(("by", "state"), [(WANG, "ended"), (ZHAO, "refused")])
def test_proposal_can_be_taken_back_or_refused_and_changes_nobody(
    database: Database, rulings: Rulings, store: Callable[..., None], by: object, state: str
) -> None:
    store(HERS, PERHAPS_HERS)
    rulings.link("city/1", "town/3", "same book", WANG)
    assert rulings.withdraw("city/1", "town/3", "no", by).change is None  # type: ignore[arg-type]
    with database.read() as conn:
        assert conn.execute(select(identity_ruling.c.state)).scalar_one() == state
        assert conn.execute(select(identity_change)).all() == []


def test_ruling_covers_every_record_under_a_number(
    database: Database, keys: KeyRing, rulings: Rulings, store: Callable[..., None]
) -> None:
    store(("city", patient("0/12", LI)), ("city", patient("0/12", LI, key="mr|0/12")), ALSO_HERS)
    parted = rulings.unlink("city/0/12", "county/2", "two sisters", WANG)
    assert len(parted.rulings) == 2
    assert persons(database, keys) == [["city/0/12", "city/0/12"], ["county/2"]]


def test_what_cannot_be_read_is_named_without_its_value(rulings: Rulings, store: Callable[..., None]) -> None:
    store(HERS)
    for a, b, why, pointer in (
        ("city", "city/1", "x", "/a"), ("city/1", "/1", "x", "/b"), ("city/1", "city/1", "x", "/b"),
        ("city/1", "county/2", " ", "/why"), ("city/1", "county/2", "x" * 2001, "/why"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as error:
            rulings.link(a, b, why, WANG)
        assert [one.pointer for one in error.value.faults] == [pointer]
    for b in ("city/99", "county/1"):
        with pytest.raises(NotFound) as absent:
            rulings.link("city/1", b, "x", WANG)
        assert b not in str(absent.value)
    with pytest.raises(NotPermitted):
        rulings.link("city/1", "city/99", "x", replace(WANG, role=Role.CLINICIAN))


def test_each_step_is_audited_without_names_numbers_or_reasons(
    database: Database, rulings: Rulings, store: Callable[..., None]
) -> None:
    store(("city", patient("P777", LI)), ("town", patient("T888")))
    link(rulings, "city/P777", "town/T888")
    rulings.unlink("city/P777", "town/T888", "李敏 is her cousin", WANG)
    rulings.withdraw("city/P777", "town/T888", "no", ZHAO)
    with database.read() as conn:
        entries = conn.execute(select(audit).order_by(audit.c.seq)).all()
        links = conn.execute(select(identity_link)).all()
    assert [(one.actor, one.action) for one in entries] == [
        ("wang", "identity:records:link-proposed"),
        ("zhao", "identity:records:linked"),
        ("wang", "identity:records:unlinked"),
        ("zhao", "identity:records:withdrawn"),
    ]
    written = repr([*entries, *links])
    assert not any(one in written for one in ("P777", "T888", "李敏", "cousin", LI))
