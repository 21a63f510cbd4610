"""The `IndexStore` in SQL. One instance serves one transaction, which holds the lock of the index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, or_, select, update

from service.identity.links import CUT_OFF, Block, Cause, Key, Link, Rewritten, Ruling
from service.identity.profile import Profile, Trait, read_profile
from service.identity.rules import VERSION, Tier
from service.registry.blocks import read_blocks
from service.registry.bulk import ByKeys, add, put
from service.registry.patients import open_facts
from service.registry.tables import identity_link, identity_ruling, patient_record, person_member, trait
from service.security.keys import KeyRing

_TRAITS = ByKeys(lambda among: select(trait).where(among(trait.c.record_id)))
_FORGET_TRAITS = ByKeys(lambda among: delete(trait).where(among(trait.c.record_id)))
_FACTS = ByKeys(
    lambda among: select(patient_record.c.id, patient_record.c.institution, patient_record.c.facts).where(
        among(patient_record.c.id), patient_record.c.facts.is_not(None)
    )
)
_LINKS = [
    ByKeys(lambda among: select(identity_link).where(among(identity_link.c.a), identity_link.c.to_at.is_(None))),
    ByKeys(lambda among: select(identity_link).where(among(identity_link.c.b), identity_link.c.to_at.is_(None))),
]
_RULED = identity_ruling.c
_RULINGS = ByKeys(
    lambda among: select(_RULED.id, _RULED.a, _RULED.b, _RULED.ruling).where(
        or_(among(_RULED.a), among(_RULED.b)), _RULED.state == "in-force"
    )
)
_PERSONS = ByKeys(lambda among: select(person_member.c.person_id).where(among(person_member.c.record_id)).distinct())
_MEMBERS = ByKeys(
    lambda among: select(person_member.c.record_id, person_member.c.person_id).where(among(person_member.c.person_id))
)
_LEAVE = ByKeys(lambda among: delete(person_member).where(among(person_member.c.record_id)))
_END = (
    update(identity_link)
    .where(identity_link.c.id == bindparam("its_id"))
    .values(to_at=bindparam("at"), to_cause=bindparam("cause"), to_actor=bindparam("actor"))
)


@dataclass(slots=True)
class SqlIndex:
    """Reads and writes within the transaction of `conn`; `now` in microseconds since 1970 UTC."""

    conn: Connection
    keys: KeyRing
    now: int
    take_ids: Callable[[str, int], range]
    _keys_of: dict[int, tuple[Profile, dict[tuple[Trait, str], Key]]] = field(default_factory=dict)
    _trait_of: dict[bytes, Trait] = field(default_factory=dict)

    def keys_of(self, profile: Profile) -> dict[tuple[Trait, str], Key]:
        """The blind index of each trait."""
        known = self._keys_of.get(profile.record)
        if known is not None and known[0] is profile:
            return known[1]
        found: dict[tuple[Trait, str], Key] = {}
        for one in profile.traits():
            token = self.keys.token(f"trait:{one[0]}", one[1])
            self._trait_of[token] = one[0]
            found[one] = token
        self._keys_of[profile.record] = profile, found
        return found

    def replace_traits(self, profiles: Sequence[Profile]) -> dict[Key, Block]:
        """As `IndexStore`."""
        records = [one.record for one in profiles]
        before: dict[bytes, set[tuple[bytes, int]]] = {}
        for row in _TRAITS.rows(self.conn, records):
            token = self._renewed(f"trait:{row.kind}", row.token)
            self._trait_of[token] = Trait(row.kind)
            before.setdefault(token, set()).add((self._renewed("who", row.who), row.record_id))
        if before:
            _FORGET_TRAITS.execute(self.conn, records)
        rows = [
            {"token": token, "who": who, "record_id": one.record, "kind": kind.value}
            for one, who in ((one, self.keys.token("who", one.who)) for one in profiles)
            for (kind, _), token in self.keys_of(one).items()
        ]
        put(self.conn, trait, rows)
        return {token: Block(self._trait_of[token], frozenset(found)) for token, found in before.items()}

    def blocks(self, keys: Collection[Key]) -> dict[Key, Block]:
        """As `IndexStore`."""
        asked = {
            form: token
            for token in keys
            if isinstance(token, bytes)
            for form in self._variants(f"trait:{self._trait_of[token]}", token)
        }
        found: dict[Key, set[tuple[bytes, int]]] = {token: set() for token in asked.values()}
        for form, who, record in read_blocks(self.conn, asked, CUT_OFF + 1):
            found[asked[form]].add((self._renewed("who", who), record))
        return {
            token: Block(self._trait_of[token], frozenset(members))
            for token, members in found.items()
            if isinstance(token, bytes)
        }

    def _renewed(self, field: str, token: bytes) -> bytes:
        """A stored token as it is made now: while keys are rotated some rows carry the older form."""
        return self.keys.retoken(field, bytes(token)) if self.keys.rotating else bytes(token)

    def _variants(self, field: str, token: bytes) -> tuple[bytes, ...]:
        return self.keys.variants(field, token) if self.keys.rotating else (token,)

    def profiles(self, records: Collection[int]) -> dict[int, Profile]:
        """As `IndexStore`."""
        return {
            row.id: read_profile(row.id, row.institution, open_facts(self.keys, row.id, row.facts))
            for row in _FACTS.rows(self.conn, records)
        }

    def links_of(self, records: Collection[int]) -> list[Link]:
        """As `IndexStore`."""
        found = {row.id: link_of(row) for one in _LINKS for row in one.rows(self.conn, records)}
        return list(found.values())

    def rulings_of(self, records: Collection[int]) -> list[Ruling]:
        """As `IndexStore`."""
        found = {
            row.id: Ruling(row.id, row.a, row.b, row.ruling == "same") for row in _RULINGS.rows(self.conn, records)
        }
        return list(found.values())

    def persons_of(self, records: Collection[int]) -> dict[int, frozenset[int]]:
        """As `IndexStore`."""
        ids = {row.person_id for row in _PERSONS.rows(self.conn, records)}
        members: dict[int, set[int]] = {}
        for row in _MEMBERS.rows(self.conn, ids):
            members.setdefault(row.person_id, set()).add(row.record_id)
        person = {one: frozenset(found) for found in members.values() for one in found}
        return {one: person.get(one, frozenset({one})) for one in records}

    def write(self, rewritten: Rewritten, cause: Cause, actor: str) -> None:
        """As `IndexStore`: what ends keeps its row, with when and why."""
        if rewritten.ended:
            stamp = {"at": self.now, "cause": cause.value, "actor": actor}
            self.conn.execute(_END, [{"its_id": one.id, **stamp} for one in rewritten.ended])
        add(self.conn, identity_link, list(self._rows(rewritten.begun, cause, actor)))
        self._write_persons(rewritten.persons)

    def _rows(self, links: Sequence[Link], cause: Cause, actor: str) -> Iterator[dict[str, Any]]:
        for one, new_id in zip(links, self.take_ids("identity_link", len(links)), strict=True):
            yield {
                "id": new_id,
                "a": one.a,
                "b": one.b,
                "tier": one.tier.value,
                "rule": one.rule,
                "rule_version": VERSION,
                "score": one.score,
                "why": msgspec.json.encode(dict(one.why)).decode(),
                "ruling_id": one.ruling,
                "from_at": self.now,
                "from_cause": cause.value,
                "from_actor": actor,
                "to_at": None,
                "to_cause": None,
                "to_actor": None,
            }

    def _write_persons(self, persons: Iterable[frozenset[int]]) -> None:
        groups = list(persons)
        was = self.persons_of([one for group in groups for one in group])
        moved = [group for group in groups if any(was[one] != group for one in group)]
        left = [one for group in moved for one in group if len(was[one]) > 1]
        if left:
            _LEAVE.execute(self.conn, left)
        rows = [{"record_id": one, "person_id": min(group)} for group in moved if len(group) > 1 for one in group]
        put(self.conn, person_member, rows, ("person_id",))


def link_of(row: Any) -> Link:
    """A row of `identity_link` that stands."""
    why = msgspec.json.decode(row.why, type=dict[str, str])
    return Link(row.a, row.b, Tier(row.tier), row.rule, row.score, why, row.ruling_id, row.id)
