"""Source resources: where the newest version of each is, and what is made from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import BindParameter, Row, and_, bindparam, delete, select

from service.ingest.port import StoredResource
from service.registry.bulk import ByKeys, put
from service.registry.columns import from_us_or_none, to_us_or_none
from service.registry.session import Session, is_hidden
from service.registry.tables import part, resource

_OWN: BindParameter[str] = bindparam("institution")
_RESOURCES = ByKeys(lambda among: select(resource).where(resource.c.institution == _OWN, among(resource.c.ref)))
_PARTS = select(part.c.target, part.c.root).where(part.c.institution == _OWN)
_ROOTS = ByKeys(lambda among: _PARTS.where(among(part.c.target)))
_TARGETS = ByKeys(lambda among: _PARTS.where(among(part.c.root)))
_FORGET = delete(part).where(
    and_(part.c.institution == _OWN, part.c.target == bindparam("t"), part.c.root == bindparam("r"))
)
_UPDATED = ("sha256", "version_at", "rank", "document_id", "start", "length")


def find_resources(session: Session, refs: Collection[str]) -> dict[str, StoredResource]:
    """The newest stored version of each ref that is known, under the ref that was asked."""
    session.hide_all(refs)
    asked = {session.hide(ref): ref for ref in refs}
    rows = _RESOURCES.rows(session.conn, asked, institution=session.institution)
    return {asked[row.ref]: _resource(session, row, asked[row.ref]) for row in rows}


def put_resources(session: Session, resources: Iterable[StoredResource]) -> None:
    """Stores or replaces the newest version of each."""
    listed = list(resources)
    session.hide_all(one.ref for one in listed)
    put(session.conn, resource, [_row(session, one) for one in listed], _UPDATED)


def find_roots(session: Session, targets: Collection[str]) -> dict[str, set[str]]:
    """For each target that is known, what is made from it (one step)."""
    asked = {name: target for target, name in session.hidden(targets).items()}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in _ROOTS.rows(session.conn, asked, institution=session.institution):
        found[asked[row.target]].add(row.root)
    return dict(found)


def put_parts(session: Session, parts: Mapping[str, Collection[str]]) -> None:
    """Replaces what each root is made from."""
    hide = session.hide
    session.hide_all([*parts, *(target for targets in parts.values() for target in targets)])
    wanted = {(hide(target), hide(root)) for root, targets in parts.items() for target in targets}
    roots = [hide(root) for root in parts]
    known = {(row.target, row.root) for row in _TARGETS.rows(session.conn, roots, institution=session.institution)}
    own = session.institution
    gone = [{"institution": own, "t": target, "r": root} for target, root in sorted(known - wanted)]
    if gone:
        session.conn.execute(_FORGET, gone)
    new = [{"institution": own, "target": target, "root": root} for target, root in sorted(wanted - known)]
    put(session.conn, part, new)


def _bound_to(session: Session, ref: str) -> str:
    return f"resource|sha256|{session.institution}|{ref}"


def _row(session: Session, one: StoredResource) -> dict[str, object]:
    ref = session.hide(one.ref)
    # A Patient is short and mostly known to whoever guesses: its plain hash would confirm the guess.
    sha256 = session.keys.seal(one.sha256, _bound_to(session, ref)) if is_hidden(ref) else one.sha256
    return {
        "institution": session.institution,
        "ref": ref,
        "sha256": sha256,
        "version_at": to_us_or_none(one.version_at),
        "rank": one.rank,
        "document_id": one.document_id,
        "start": one.start,
        "length": one.length,
    }


def _resource(session: Session, row: Row[*tuple[Any, ...]], ref: str) -> StoredResource:
    sha256 = session.keys.open(row.sha256, _bound_to(session, row.ref)) if is_hidden(row.ref) else row.sha256
    at = from_us_or_none(row.version_at)
    return StoredResource(ref, sha256, at, row.rank, row.document_id, row.start, row.length)
