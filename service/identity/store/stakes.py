"""The list of what waits for a person's decision: those first on whom most hangs.

What hangs on two persons: the reports of the last year, which the one would bring to the other, and the decisions of
the last month that rested on either. The database counts them; only the pairs of the page are opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import CTE, Connection, Row, Select, and_, func, literal, or_, select

from service.domain.errors import Fault, InvalidInput
from service.identity.links import CROWD_PEOPLE, CROWD_RECORDS, OF_A_PERSON, Link
from service.identity.review import WAITING, explain_briefly
from service.identity.store.records import RecordName, names_of
from service.identity.store.sql_index import SqlIndex
from service.identity.store.waiting import HIGHER, LOWER, among_waiting
from service.registry.tables import decision_record, identity_link, patient_record, person_member, report, trait
from service.security.keys import KeyRing

REPORTS_SINCE = timedelta(days=365)
DECISIONS_SINCE = timedelta(days=30)
LARGE_PERSON = 30
"""A person of more records is worth a look (identity_audit 3)."""
_US = timedelta(microseconds=1)


LARGEST_PAGE = 1000
_AFTER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18}){3}", re.ASCII)
_INSTITUTION = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which page: `after` is the `next` of the one before; `institution` keeps pairs with a record of that one."""

    limit: int
    after: str = ""
    institution: str | None = None

    def check(self) -> None:
        """Raises InvalidInput with every fault; what passes may stand in the audit log."""
        faults = []
        if not 1 <= self.limit <= LARGEST_PAGE:
            faults.append(Fault("limit", f"must lie between 1 and {LARGEST_PAGE}"))
        if self.after and not _AFTER.fullmatch(self.after):
            faults.append(Fault("after", "must be the next of an earlier page"))
        if self.institution is not None and not _INSTITUTION.fullmatch(self.institution):
            faults.append(Fault("institution", "must be the id of an institution"))
        if faults:
            raise InvalidInput("the page cannot be given", faults)


def review_page(conn: Connection, keys: KeyRing, now: int, wanted: Filter) -> dict[str, Any]:
    """Pairs of persons, each with its likeliest pair of records. `now` in microseconds since 1970 UTC."""
    statement = _ranked(now, wanted.institution)
    if wanted.after:
        statement = statement.where(_beyond(statement, *map(int, wanted.after.split("."))))
    stakes = statement.selected_columns
    ordered = statement.order_by(stakes.stake.desc(), stakes.score.desc(), stakes.lower_person, stakes.higher_person)
    rows = conn.execute(ordered.limit(wanted.limit)).all()
    links = _best_links(conn, keys, rows)
    names = names_of(conn, keys, {record for link in links.values() for record in link.pair})
    last = rows[-1] if len(rows) == wanted.limit else None
    return {
        "pairs": [_item(row, links[row.lower_person, row.higher_person], names) for row in rows],
        "next": f"{last.stake}.{last.score}.{last.lower_person}.{last.higher_person}" if last else None,
    }


def count_alarms(conn: Connection) -> dict[str, int]:
    """What somebody should look into: values that too many people share, and persons of very many records."""
    shared = (
        select(trait.c.kind)
        .where(trait.c.kind.in_([one.value for one in OF_A_PERSON]))
        .group_by(trait.c.token, trait.c.kind)
        .having(or_(func.count() > CROWD_RECORDS, func.count(trait.c.who.distinct()) > CROWD_PEOPLE))
        .subquery()
    )
    crowded = conn.execute(select(shared.c.kind, func.count()).group_by(shared.c.kind))
    large = select(person_member.c.person_id).group_by(person_member.c.person_id).having(func.count() > LARGE_PERSON)
    found = {f"crowded-{kind}": int(n) for kind, n in crowded}
    found["large-person"] = int(conn.execute(select(func.count()).select_from(large.subquery())).scalar_one())
    return dict(sorted(found.items()))


def _ranked(now: int, institution: str | None) -> Select[Any]:
    """Of each two persons between whom something waits: how much hangs on them, and how likely they are one."""
    pairs = _pairs(institution)
    members = _members(pairs)
    reports = _reports(members, now - REPORTS_SINCE // _US)
    decisions = _decisions(members, now - DECISIONS_SINCE // _US)
    ours, theirs = reports.alias("our_reports"), reports.alias("their_reports")
    ours_too, theirs_too = decisions.alias("our_decisions"), decisions.alias("their_decisions")
    here, there = func.coalesce(ours.c.n, 0), func.coalesce(theirs.c.n, 0)
    decided = func.coalesce(ours_too.c.n, 0) + func.coalesce(theirs_too.c.n, 0)
    counted = (
        select(
            pairs, here.label("lower_reports"), there.label("higher_reports"), decided.label("decisions"),
            (here + there + decided).label("stake"),
        )
        .outerjoin(ours, ours.c.person == pairs.c.lower_person)
        .outerjoin(theirs, theirs.c.person == pairs.c.higher_person)
        .outerjoin(ours_too, ours_too.c.person == pairs.c.lower_person)
        .outerjoin(theirs_too, theirs_too.c.person == pairs.c.higher_person)
        .cte("counted")
    )  # fmt: skip
    return select(counted)


def _pairs(institution: str | None) -> CTE:
    statement = among_waiting(
        select(
            LOWER.label("lower_person"),
            HIGHER.label("higher_person"),
            func.max(identity_link.c.score).label("score"),
            func.count().label("links"),
        )
    )
    if institution is not None:
        own = patient_record.alias("own")
        statement = statement.where(
            select(own.c.id)
            .where(own.c.id.in_([identity_link.c.a, identity_link.c.b]), own.c.institution == institution)
            .exists()
        )
    return statement.group_by(LOWER, HIGHER).cte("pairs")


def _members(pairs: CTE) -> CTE:
    sides = select(pairs.c.lower_person.label("person")).union(select(pairs.c.higher_person)).cte("sides")
    record = func.coalesce(person_member.c.record_id, sides.c.person)
    return (
        select(sides.c.person, record.label("record"))
        .outerjoin(person_member, person_member.c.person_id == sides.c.person)
        .cte("members")
    )


def _reports(members: CTE, since: int) -> CTE:
    return (
        select(members.c.person, func.count().label("n"))
        .join(report, report.c.record_id == members.c.record)
        .where(report.c.state == "current", func.coalesce(report.c.issued_at, report.c.received_at) >= since)
        .group_by(members.c.person)
        .cte("reports")
    )


def _decisions(members: CTE, since: int) -> CTE:
    """Ids of decisions begin with their time (UUID version 7), so the key of the table tells which are recent."""
    stamp = f"{since // 1000:012x}"
    first = f"{stamp[:8]}-{stamp[8:]}-"
    rested = decision_record.c
    return (
        select(members.c.person, func.count(rested.decision_id.distinct()).label("n"))
        .join(decision_record, and_(rested.record_id == members.c.record, rested.decision_id >= first))
        .group_by(members.c.person)
        .cte("decisions")
    )


def _beyond(statement: Select[Any], *position: int) -> Any:
    """Whether a pair comes after the one at `position` (stake, score, the persons)."""
    found = statement.selected_columns
    columns = (-found.stake, -found.score, found.lower_person, found.higher_person)
    values = (-position[0], -position[1], position[2], position[3])
    beyond = columns[-1] > literal(values[-1])
    for column, value in list(zip(columns, values, strict=True))[-2::-1]:
        beyond = or_(column > literal(value), and_(column == literal(value), beyond))
    return beyond


def _best_links(conn: Connection, keys: KeyRing, rows: list[Row[Any]] | Any) -> dict[tuple[int, int], Link]:
    """The likeliest link between each two persons."""
    index = SqlIndex(conn, keys, 0, lambda _name, _n: range(0))  # for reading
    persons = index.persons_of({one for row in rows for one in (row.lower_person, row.higher_person)})
    person_of = {record: min(group) for group in persons.values() for record in group}
    best: dict[tuple[int, int], Link] = {}
    for link in index.links_of(person_of):
        if link.tier in WAITING and link.a in person_of and link.b in person_of:
            one, other = sorted((person_of[link.a], person_of[link.b]))
            known = best.get((one, other))
            if known is None or (link.score, -link.id) > (known.score, -known.id):
                best[one, other] = link
    return best


def _item(row: Row[Any], link: Link, names: dict[int, RecordName]) -> dict[str, Any]:
    return {
        "a": str(names[link.a]),
        "b": str(names[link.b]),
        "tier": link.tier.value,
        "score": row.score,
        "why": list(explain_briefly(link)),
        "links": row.links,
        "stake": {"reports": row.lower_reports + row.higher_reports, "decisions": row.decisions},
    }
