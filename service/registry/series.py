"""DICOM series as their headers describe them, with the instances counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast

import msgspec
from sqlalchemy import bindparam, distinct, func, select, update

from service.ingest.port import SeriesFacts
from service.registry.bulk import ByKeys, put
from service.registry.columns import fit_uid
from service.registry.session import Session
from service.registry.tables import dicom_series as table

_JSON = msgspec.json.Encoder(order="deterministic")
_OWN = table.c.institution == bindparam("institution")
_SERIES = ByKeys(lambda among: select(table).where(_OWN, among(table.c.study_uid)))
_NEXT = (
    select(table.c.study_uid)
    .where(_OWN, table.c.study_uid > bindparam("after"))
    .distinct()
    .order_by(table.c.study_uid)
    .limit(bindparam("most"))
)
_STUDIES = select(func.count(distinct(table.c.study_uid))).where(_OWN)
_COUNT = (
    update(table)
    .where(
        table.c.institution == bindparam("own"),
        table.c.study_uid == bindparam("study"),
        table.c.series_uid == bindparam("series"),
        table.c.digest == bindparam("facts_digest"),
    )
    .values(instances=table.c.instances + bindparam("more"))
)


def add_instances(session: Session, series: Iterable[SeriesFacts]) -> None:
    """Counts instances to their series and facts."""
    counted: dict[tuple[str, str, bytes], tuple[int, bytes]] = {}
    for one in series:
        plain = _JSON.encode(one.facts)
        key = (fit_uid(one.study_uid), fit_uid(one.series_uid), session.digest("series", plain))
        counted[key] = (counted.get(key, (0, b""))[0] + one.instances, plain)
    rows = _SERIES.rows(session.conn, {key[0] for key in counted}, institution=session.institution)
    renewed = session.keys.renewed
    known = {(row.study_uid, row.series_uid, renewed("series", bytes(row.digest))): bytes(row.digest) for row in rows}
    more = [
        {"own": session.institution, "study": key[0], "series": key[1], "facts_digest": known[key], "more": n}
        for key, (n, _) in counted.items()
        if key in known
    ]
    if more:
        session.conn.execute(_COUNT, more)
    new = [_row(session, key, n, plain) for key, (n, plain) in counted.items() if key not in known]
    put(session.conn, table, new)


def find_series(session: Session, study_uids: Collection[str]) -> dict[str, list[SeriesFacts]]:
    """The series of each study that has any, in the order of series UID and facts."""
    asked = {fit_uid(uid): uid for uid in study_uids}
    found: dict[str, list[tuple[str, bytes, int]]] = {}
    for row in _SERIES.rows(session.conn, asked, institution=session.institution):
        plain = session.keys.open(row.facts, facts_bound_to(session.institution, row.series_uid, row.digest))
        found.setdefault(asked[row.study_uid], []).append((row.series_uid, plain, row.instances))
    return {
        study: [
            SeriesFacts(study, series, cast(dict[str, object], msgspec.json.decode(plain)), n)
            for series, plain, n in sorted(parts)
        ]
        for study, parts in found.items()
    }


def next_studies(session: Session, after: str, limit: int) -> list[str]:
    """The institution's next studies that have series, in the order of their UIDs."""
    given = {"institution": session.institution, "after": after, "most": limit}
    return list(session.conn.execute(_NEXT, given).scalars())


def count_studies(session: Session) -> int:
    """How many studies with series the institution has."""
    return session.conn.execute(_STUDIES, {"institution": session.institution}).scalar_one()


def facts_bound_to(institution: str, series_uid: str, digest: bytes) -> str:
    """The place that the facts of a series are sealed for."""
    return f"dicom_series|facts|{institution}|{series_uid}|{bytes(digest).hex()}"


def _row(session: Session, key: tuple[str, str, bytes], instances: int, plain: bytes) -> dict[str, object]:
    study_uid, series_uid, digest = key
    return {
        "institution": session.institution,
        "study_uid": study_uid,
        "series_uid": series_uid,
        "digest": digest,
        "instances": instances,
        "facts": session.keys.seal(plain, facts_bound_to(session.institution, series_uid, digest)),
    }
