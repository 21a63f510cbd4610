"""What people decide about who is who: link (two of them), unlink, not the same, and taking it back.

Records are named as people know them, `institution/local_id`; where several records stand under one number a ruling
covers each of them. All of it happens in one transaction: the ruling, what it does to the persons, the earlier
decisions that it takes the ground from, and the audit entry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Contradiction, Fault, InvalidInput, NotFound
from service.identity.links import Cause
from service.identity.persons import Pair, components, pair
from service.identity.store.linker import Linker
from service.identity.store.records import RecordName, find_records, names_of, persons_of, read_name
from service.identity.store.ruled import PROPOSED, REFUSED, Clerk, RuledPair, read_rulings
from service.registry.database import Database
from service.registry.persons import IN_FORCE, NOT_SAME, SAME
from service.registry.reach import newest_change
from service.security.caller import Caller, Role
from service.security.keys import KeyRing

LONGEST_REASON = 2000


class Opposed(Contradiction):
    """Other rulings are in the way. The message has their numbers; `pairs` the records they are about, by name: for
    the eyes of whoever decides, and for no log."""

    def __init__(self, message: str, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.pairs = tuple(pairs)


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a call came to: `proposed`, `in-force` or `withdrawn`, on which rulings. `change` is that of the persons
    (`identity_change`), whose decisions are to be evaluated again; None where nothing took effect."""

    state: str
    rulings: tuple[int, ...]
    change: int | None


class Rulings:
    """Raises InvalidInput, NotPermitted, NotFound (no such record), Contradiction, Unavailable; then nothing was
    changed."""

    def __init__(self, database: Database, keys: KeyRing, linker: Linker, audit: AuditLog) -> None:
        self._database = database
        self._keys = keys
        self._linker = linker
        self._audit = audit

    def link(self, a: str, b: str, why: str, caller: Caller) -> Ruled:
        """The two are one person: proposed by one user, in force when another says the same of the same two."""
        with self._case(a, b, why, caller) as case:
            case.require_no(case.parting, "people ruled that these are two persons")
            if all(any(one.joins and one.holds for one in case.on(both)) for both in case.pairs):
                raise Contradiction("people ruled already that these are one person")
            proposals = [one for both in case.pairs for one in case.on(both) if one.state == PROPOSED]
            if not proposals:
                ids = self._add(case, case.unruled(SAME), SAME, PROPOSED)
                return self._closed(case, Action.LINK_PROPOSED, PROPOSED, ids)
            theirs = [one for one in proposals if not is_same_user(one.proposed_by, caller.actor)]
            if not theirs:
                raise Contradiction("you proposed this link; it takes effect when another user confirms it")
            case.clerk.settle(theirs, IN_FORCE)
            ids = [one.id for one in theirs]
            return self._closed(case, Action.LINK_CONFIRMED, IN_FORCE, ids, Cause.LINK)

    def unlink(self, a: str, b: str, why: str, caller: Caller) -> Ruled:
        """The two, so far one person, are two; at once. Ends what people ruled on just these two."""
        with self._case(a, b, why, caller) as case:
            if not any(case.are_one(both) for both in case.pairs):
                raise Contradiction("these are not one person now; to say that they are two, and that no later record "
                                    "may join them, use not-same")  # fmt: skip
            case.require_no(case.holding_together(), "they hang together by what people ruled on other records")
            case.clerk.end(one for both in case.pairs for one in case.on(both) if one.joins and one.holds)
            return self._part(case, Action.UNLINKED, Cause.UNLINK)

    def not_same(self, a: str, b: str, why: str, caller: Caller) -> Ruled:
        """The two are two persons, whatever comes; at once."""
        with self._case(a, b, why, caller) as case:
            ruled = [one for both in case.pairs for one in case.on(both) if one.joins and one.holds]
            case.require_no(ruled, "people ruled that these are one person; unlink ends that")
            case.require_no(case.holding_together(), "they hang together by what people ruled on other records")
            if not case.unruled(NOT_SAME):
                raise Contradiction("people ruled already that these are two persons")
            return self._part(case, Action.RULED_NOT_SAME, Cause.NOT_SAME)

    def withdraw(self, a: str, b: str, why: str, caller: Caller) -> Ruled:
        """Takes back what was ruled or proposed on just these two: the rules alone judge them again."""
        with self._case(a, b, why, caller) as case:
            found = [one for both in case.pairs for one in case.on(both)]
            if not found:
                raise NotFound("nobody has ruled or proposed anything on just these two records")
            standing = [one for one in found if one.holds]
            own = [one for one in found if not one.holds and is_same_user(one.proposed_by, caller.actor)]
            case.clerk.end([*standing, *own])
            case.clerk.settle([one for one in found if not one.holds and one not in own], REFUSED)
            cause = Cause.WITHDRAWN if standing else None
            return self._closed(case, Action.RULING_WITHDRAWN, "withdrawn", [one.id for one in found], cause)

    def _part(self, case: _Case, action: Action, cause: Cause) -> Ruled:
        case.clerk.settle((one for both in case.pairs for one in case.on(both) if one.state == PROPOSED), REFUSED)
        ids = self._add(case, case.unruled(NOT_SAME), NOT_SAME, IN_FORCE)
        return self._closed(case, action, IN_FORCE, ids, cause)

    def _add(self, case: _Case, pairs: Sequence[Pair], ruling: str, state: str) -> list[int]:
        first = self._database.take_ids(case.clerk.conn, "identity_ruling", len(pairs))
        ids = list(range(first, first + len(pairs)))
        case.clerk.add(ids, pairs, ruling, state)
        return ids

    def _closed(
        self, case: _Case, action: Action, state: str, ids: Collection[int], cause: Cause | None = None
    ) -> Ruled:
        """Brings the persons up to it, and writes it down."""
        change, conn = None, case.clerk.conn
        if cause is not None:
            self._linker.follow(conn, case.records, cause, case.clerk.actor, case.clerk.now)
            change = newest_change(conn)  # ours: they are made under the lock that this transaction holds
            _require_effect(case, cause, persons_of(conn, case.records))
        detail = {"rulings": sorted(ids), "records": sorted(case.records), "change": change}
        subject = f"Ruling/{min(ids)}"
        self._audit.append(conn, AuditEntry.by(case.caller, case.clerk.now, action, subject, detail))
        return Ruled(state, tuple(sorted(ids)), change)

    @contextmanager
    def _case(self, a: str, b: str, why: str, caller: Caller) -> Iterator[_Case]:
        caller.require(Role.STEWARD)
        left, right = read_name(a, "/a"), read_name(b, "/b")
        reason = read_reason(why)
        if left == right:
            raise InvalidInput("two patient records are needed", [Fault("/b", "is the same record as a")])
        with self._database.write() as conn:
            self._database.lock(conn, "identity")  # before anything is read: what stands, stands until we are done
            sides = find_records(conn, self._keys, left, "a"), find_records(conn, self._keys, right, "b")
            clerk = Clerk(conn, self._keys, caller.actor, self._database.now_us(), reason)
            persons = persons_of(conn, {*sides[0], *sides[1]})
            rulings = read_rulings(conn, {one for group in persons.values() for one in group})
            yield _Case(caller, clerk, sides, persons, rulings, lambda ids: names_of(conn, self._keys, ids))


@dataclass(frozen=True, slots=True)
class _Case:
    """What a ruling is about: the records of both names, their persons, and what people ruled on any of these."""

    caller: Caller
    clerk: Clerk
    sides: tuple[tuple[int, ...], tuple[int, ...]]
    persons: dict[int, frozenset[int]]
    rulings: list[RuledPair]
    names: Callable[[Collection[int]], Mapping[int, RecordName]]

    @property
    def records(self) -> set[int]:
        return {*self.sides[0], *self.sides[1]}

    @property
    def pairs(self) -> list[Pair]:
        return sorted(pair(*one) for one in product(*self.sides))

    def on(self, both: Pair) -> list[RuledPair]:
        """What is ruled or proposed on just these two."""
        return [one for one in self.rulings if one.pair == both]

    def unruled(self, ruling: str) -> list[Pair]:
        """The pairs on which this ruling is not in force."""
        return [both for both in self.pairs if not any(one.holds and one.ruling == ruling for one in self.on(both))]

    def are_one(self, both: Pair) -> bool:
        return both[1] in self.persons[both[0]]

    @property
    def parting(self) -> list[RuledPair]:
        """What parts any of the one's person from any of the other's."""
        ours = frozenset().union(*(self.persons[one] for one in self.sides[0]))
        theirs = frozenset().union(*(self.persons[one] for one in self.sides[1]))
        return [
            one
            for one in self.rulings
            if one.parts and one.holds and ((one.a in ours and one.b in theirs) or (one.b in ours and one.a in theirs))
        ]

    def holding_together(self) -> list[RuledPair]:
        """The rulings on other pairs that alone join some of the one's records with some of the other's."""
        wanted = set(self.pairs)
        joins = [one for one in self.rulings if one.joins and one.holds and one.pair not in wanted]
        groups = components((), (one.pair for one in joins))
        torn = [group for group in groups if any(group.issuperset(both) for both in wanted)]
        return [one for one in joins if any(one.a in group for group in torn)]

    def require_no(self, rulings: Iterable[RuledPair], why: str) -> None:
        """Opposed, with how to go on, where there are such rulings."""
        found = list(rulings)
        if found:
            names = self.names({record for one in found for record in one.pair})
            numbers = ", ".join(f"{one.id} (by {one.settled_by})" for one in found[:10])
            raise Opposed(
                f"{why}: ruling {numbers}; take it back first, with withdraw",
                [(str(names[one.a]), str(names[one.b])) for one in found],
            )


def read_reason(why: str) -> str:
    """The reason, without blanks around; InvalidInput where it says nothing or is too long."""
    reason = why.strip()
    if not reason:
        raise InvalidInput("a reason is needed", [Fault("/why", "say why: others will have to understand it")])
    if len(reason) > LONGEST_REASON:
        raise InvalidInput("the reason is too long", [Fault("/why", f"at most {LONGEST_REASON} characters")])
    return reason


def _require_effect(case: _Case, cause: Cause, persons: Mapping[int, frozenset[int]]) -> None:
    """Undoes all where the persons did not become what was ruled: nobody may rely on what is not so."""
    are_one = [b in persons[a] for a, b in case.pairs]
    if any(are_one) if cause in (Cause.UNLINK, Cause.NOT_SAME) else cause is Cause.LINK and not any(are_one):
        raise Contradiction("other links are in the way, so nothing was changed; explain shows them")


def is_same_user(a: str, b: str) -> bool:
    """Whether two actors are one user, at the command line or over HTTP."""
    return _user(a) == _user(b)


def _user(actor: str) -> str:
    return actor.removeprefix("cli:").partition(" (")[0].strip().casefold()
