"""The person index: after records changed, which of them are one person now.

What a run comes to depends on the records and rulings alone, never on the order in which they came, the size of the
batch, or how often. So only pairs that touch a changed record are judged again; all that hangs on them is settled anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from service.identity.evidence import compare
from service.identity.links import BY_PERSON, Block, Cause, IndexStore, Key, Link, Rewritten, Ruling
from service.identity.persons import Pair, Settled, pair, settle
from service.identity.profile import Profile, Trait
from service.identity.rules import CONFIRMING, Tier, Verdict, judge

_SPEAK_OF_NUMBERS = frozenset({
    "two-numbers", "same-number-other-date", "same-number-incomplete", "same-number-other-name", "number-of-another",
    "newborn-and-child", "newborn-twice",
})  # fmt: skip


def relink(store: IndexStore, changed: Iterable[Profile], cause: Cause = Cause.RECORDS, actor: str = "") -> Rewritten:
    """Brings the index up to these new or changed records, and stores what came of it."""
    moved = {one.record: one for one in changed}
    if not moved:
        return Rewritten()
    before = store.replace_traits(list(moved.values()))
    keys = {one.record: store.keys_of(one) for one in moved.values()}
    blocks = store.blocks({key for of_one in keys.values() for key in of_one.values()} | before.keys())
    again = store.profiles(_newly_judged(before, blocks, moved))
    if again:
        keys |= {one.record: store.keys_of(one) for one in again.values()}
        blocks |= store.blocks({key for one in again for key in keys[one].values()} - blocks.keys())
    run = _Run(store, moved | again)
    result = run.settle(_judge(store, moved | again, keys, blocks), cause, actor)
    result.corrected = _corrected(before, moved, keys)
    return result


def _corrected(
    before: Mapping[Key, Block], moved: Iterable[int], keys: Mapping[int, Mapping[tuple[Trait, str], Key]]
) -> set[int]:
    """The records that lost a number they bore, or all that their name and birth date were found by: who asked for
    that person then would not find them now."""
    left: dict[tuple[int, Trait], set[Key]] = {}
    for key, block in before.items():
        for _, record in block.members if block.trait in _OF_IDENTITY else ():
            left.setdefault((record, block.trait), set()).add(key)
    found: set[int] = set()
    for record in moved:
        kept = set(keys[record].values())
        names = left.get((record, Trait.NAME_BIRTH), set())
        if left.get((record, Trait.NUMBER), set()) - kept or (names and names.isdisjoint(kept)):
            found.add(record)
    return found


_OF_IDENTITY = (Trait.NUMBER, Trait.NAME_BIRTH)


def settle_again(store: IndexStore, records: Collection[int], cause: Cause, actor: str) -> Rewritten:
    """Judges and settles these records anew after a ruling on them was made or taken back."""
    moved = store.profiles(records)
    keys = {one.record: store.keys_of(one) for one in moved.values()}
    blocks = store.blocks({key for of_one in keys.values() for key in of_one.values()})
    return _Run(store, moved).settle(_judge(store, moved, keys, blocks), cause, actor)


def _newly_judged(before: Mapping[Key, Block], after: Mapping[Key, Block], moved: Mapping[int, Profile]) -> set[int]:
    """The records that did not change themselves, but share what became crowded, or is no more."""
    found: set[int] = set()
    for key, now in after.items():
        others = {(who, one) for who, one in now.members if one not in moved}
        was = Block(now.trait, frozenset(others | before[key].members if key in before else others))
        if others and was.is_crowded != now.is_crowded:
            found |= {one for _, one in others}
    return found


def _judge(
    store: IndexStore,
    moved: Mapping[int, Profile],
    keys: Mapping[int, Mapping[tuple[Trait, str], Key]],
    blocks: Mapping[Key, Block],
) -> dict[Pair, Verdict]:
    """The verdicts on all pairs that touch a record that moved."""
    crowded: dict[int, frozenset[str]] = {}
    near: dict[int, set[int]] = {}
    for record in moved:
        full, partners = set(), set()
        for (trait, value), key in keys[record].items():
            block = blocks.get(key)
            if block is None:
                continue
            if block.is_crowded:
                full.add(value)
            elif trait is not Trait.PHONE:
                partners |= {one for _, one in block.members}
        partners.discard(record)
        crowded[record], near[record] = frozenset(full), partners
    profiles = dict(moved) | store.profiles({one for them in near.values() for one in them} - moved.keys())
    verdicts: dict[Pair, Verdict] = {}
    for record, partners in near.items():
        for other in partners:
            both = pair(record, other)
            if both not in verdicts and other in profiles:
                found = judge(profiles[both[0]], profiles[both[1]], crowded[record])
                if found is not None:
                    verdicts[both] = found
    return verdicts


def _hangs_on(rule: str) -> bool:
    """Whether what becomes of one record of such a pair depends on the other, however the pair stands now."""
    return rule in CONFIRMING or rule == BY_PERSON


class _Run:
    """One run: what is known of the records it touches."""

    def __init__(self, store: IndexStore, moved: Mapping[int, Profile]) -> None:
        self._store = store
        self._moved = moved
        self._profiles = dict(moved)
        self._links: dict[Pair, Link] = {}
        self._rulings: dict[int, Ruling] = {}

    def settle(self, fresh: Mapping[Pair, Verdict], cause: Cause, actor: str) -> Rewritten:
        """Settles all that hangs on the records that moved, and stores it."""
        touched = self._gather(fresh)
        agreeing = {one for one, verdict in fresh.items() if verdict.tier is Tier.CONFIRMED}
        agreeing |= {one.pair for one in self._kept() if one.rule in CONFIRMING}
        agreeing = {one for one in agreeing if one[0] in touched and one[1] in touched}
        self._load_profiles(touched)
        known = {one for one in touched if one in self._profiles}
        settled = settle(known, agreeing, self._contradicts, self._ruled(True), self._ruled(False))
        wanted = self._wanted(fresh, agreeing, settled)
        stored = {one: link for one, link in self._links.items() if one[0] in known or one[1] in known}
        result = Rewritten(
            ended=[link for one, link in stored.items() if one not in wanted or not link.says(wanted[one])],
            begun=[link for one, link in wanted.items() if one not in stored or not link.says(stored[one])],
            persons=list(settled.persons),
        )
        before = self._store.persons_of(known)
        result.parted = self._parted(before, settled)
        result.ruled_two = self._ruled_two(before, settled)
        self._store.write(result, cause, actor)
        return result

    def _gather(self, fresh: Mapping[Pair, Verdict]) -> set[int]:
        """All records that hang on those, by links that stand or agree, whether held or not, and by rulings."""
        ahead = set(self._moved)
        ahead |= {one for both, verdict in fresh.items() if _hangs_on(verdict.rule) for one in both}
        touched: set[int] = set()
        while ahead:
            touched |= ahead
            found: set[int] = set()
            for link in self._store.links_of(ahead):
                self._links[link.pair] = link
                if _hangs_on(link.rule):
                    found |= set(link.pair)
            for ruling in self._store.rulings_of(ahead):
                self._rulings[ruling.id] = ruling
                found |= set(ruling.pair)
            ahead = found - touched
        return touched

    def _kept(self) -> list[Link]:
        """The stored links that this run did not judge again."""
        return [one for one in self._links.values() if one.a not in self._moved and one.b not in self._moved]

    def _ruled(self, same: bool) -> set[Pair]:
        return {one.pair for one in self._rulings.values() if one.same is same}

    def _load_profiles(self, records: Iterable[int]) -> None:
        absent = set(records) - self._profiles.keys()
        if absent:
            self._profiles |= self._store.profiles(absent)

    def _contradicts(self, a: int, b: int) -> bool:
        return compare(self._profiles[a], self._profiles[b]).contradicts

    def _wanted(self, fresh: Mapping[Pair, Verdict], agreeing: set[Pair], settled: Settled) -> dict[Pair, Link]:
        """Every link that should stand now."""
        person = {one: group for group in settled.persons for one in group}
        wanted: dict[Pair, Link] = {}
        near: list[Link] = []
        for one, verdict in fresh.items():
            link = Link(*one, verdict.tier, verdict.rule, verdict.score, verdict.evidence.fields())
            near.append(link)
        near += [one for one in self._kept() if one.rule != BY_PERSON]
        outside = {one for link in near for one in link.pair if one not in person}
        person |= self._store.persons_of(outside)
        self._load_profiles({one for group in person.values() for one in group} - self._profiles.keys())
        barred = partial(self._is_barred, person)
        for link in near:
            wanted[link.pair] = _tiered(link, self._tier(link, agreeing, settled, barred))
        for ruling in self._rulings.values():
            if ruling.same:
                found = wanted.get(ruling.pair)
                why = found.why if found else self._why(ruling.pair)
                wanted[ruling.pair] = Link(*ruling.pair, Tier.CONFIRMED, BY_PERSON, 100, why, ruling.id)
        return wanted

    def _why(self, both: Pair) -> Mapping[str, str]:
        self._load_profiles(both)
        return compare(self._profiles[both[0]], self._profiles[both[1]]).fields()

    def _tier(self, link: Link, agreeing: set[Pair], settled: Settled, barred: Callable[[Link], bool]) -> Tier:
        if link.pair in agreeing and link.pair not in settled.held and link.pair not in self._ruled(False):
            return Tier.CONFIRMED
        if barred(link):
            return Tier.BARRED
        return Tier.HELD if link.rule in CONFIRMING else Tier.PROBABLE

    def _is_barred(self, person: Mapping[int, frozenset[int]], link: Link) -> bool:
        """Whether the persons of both are one already, were ruled two, or have different numbers. The last does not
        bar what is itself about numbers."""
        ours, theirs = person.get(link.a, frozenset({link.a})), person.get(link.b, frozenset({link.b}))
        if link.b in ours:
            return True
        if any((one.a in ours and one.b in theirs) or (one.b in ours and one.a in theirs) for one in self._apart()):
            return True
        return link.rule not in _SPEAK_OF_NUMBERS and self._have_other_numbers(ours, theirs)

    def _apart(self) -> list[Ruling]:
        return [one for one in self._rulings.values() if not one.same]

    def _have_other_numbers(self, ours: frozenset[int], theirs: frozenset[int]) -> bool:
        left, right = self._numbers(ours), self._numbers(theirs)
        return any(left[kind].isdisjoint(right[kind]) for kind in left.keys() & right.keys())

    def _numbers(self, person: frozenset[int]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for profile in (self._profiles[one] for one in person if one in self._profiles):
            for number in profile.numbers if not profile.doubts else ():
                found.setdefault(number.kind, set()).add(number.value)
        return found

    def _ruled_two(self, before: Mapping[int, frozenset[int]], settled: Settled) -> list[list[frozenset[int]]]:
        """Persons that people ruled to be two, of whom one has come by records just now: they are not the other's,
        though nothing may ever have joined them to it but a question."""
        now = {one: group for group in settled.persons for one in group}
        return [
            [now[one.a], now[one.b]]
            for one in sorted(self._apart(), key=lambda one: one.pair)
            if one.a in now and one.b in now and any(now[side] - before[side] for side in one.pair)
        ]

    def _parted(self, before: Mapping[int, frozenset[int]], settled: Settled) -> list[list[frozenset[int]]]:
        now = {one: group for group in settled.persons for one in group}
        several = {group for group in before.values() if len(group) > 1}
        parts = ({frozenset(group & now[one]) for one in group if one in now} for group in several)
        return sorted(sorted(found, key=min) for found in parts if len(found) > 1)


def _tiered(link: Link, tier: Tier) -> Link:
    if link.tier is tier:
        return link
    return Link(link.a, link.b, tier, link.rule, link.score, link.why, link.ruling)
