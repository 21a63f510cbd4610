"""An explanation as JSON: the same for the command line and over HTTP; in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.identity import words
from service.identity.store.explain import Explanation
from service.identity.store.history import DatedLink
from service.identity.store.records import RecordName
from service.identity.store.ruled import Reasons, RuledPair
from service.registry.columns import from_us

Names = Mapping[int, RecordName]


def show(one: Explanation, names: Names, reasons: Mapping[int, Reasons] | None) -> dict[str, Any]:
    """The explanation. `reasons` None: for someone who may not see what the records say, nor which others there are."""
    may_see = reasons is not None
    persons = [_named(person, names, may_see) for person in one.persons]
    return {
        "a": str(names[one.a]),
        "b": str(names[one.b]),
        "state": one.state,
        "text": _text(words.STATES, one.state),
        "rule": _rule(one),
        "fields": [
            {
                "field": each.field,
                "outcome": each.compared.outcome.value,
                "note": each.compared.note or None,
                "text": _outcome(each.compared.outcome.value, each.compared.note),
                **({"a": list(each.a), "b": list(each.b)} if may_see else {}),
            }
            for each in one.fields
        ],
        "doubts": [
            {"record": side, "doubt": doubt, "text": _text(words.DOUBTS, doubt)}
            for side, doubts in zip("ab", one.doubts, strict=True)
            for doubt in doubts
        ],
        "persons": {"a": persons[0], "b": persons[1]},
        "path": [_name(each, names, may_see) for each in one.path] if len(one.path) > 2 else [],
        "rulings": [_ruling(each, names, reasons) for each in one.rulings],
        "links": [_link(each, names, may_see) for each in one.links],
        "then": None
        if one.then is None
        else {"onePerson": one.b in one.then[0], "a": _named(one.then[0], names, may_see),
              "b": _named(one.then[1], names, may_see)},
    }  # fmt: skip


def _rule(one: Explanation) -> dict[str, Any] | None:
    if one.rule is None:
        return None
    text = words.RULES.get(one.rule) or words.RuleText(
        one.rule, one.rule, ("", "")
    )  # of an earlier version of the rules
    return {
        "name": one.rule,
        "score": one.score,
        "text": {"zh": text.zh, "en": text.en},
        "source": {"zh": text.source[0], "en": text.source[1]},
    }


def _ruling(one: RuledPair, names: Names, reasons: Mapping[int, Reasons] | None) -> dict[str, Any]:
    why = reasons[one.id] if reasons is not None else None
    return {
        "id": one.id,
        "a": _name(one.a, names, reasons is not None),
        "b": _name(one.b, names, reasons is not None),
        "ruling": one.ruling,
        "state": one.state,
        "text": {
            lang: f"{words.RULINGS[one.ruling][n]}{'：' if lang == 'zh' else ': '}{words.RULINGS[one.state][n]}"
            for n, lang in enumerate(("zh", "en"))
        },
        "proposed": _step(one.proposed_at, one.proposed_by, why.proposed if why else None),
        "settled": _step(one.settled_at, one.settled_by, why.settled if why else None),
        "ended": _step(one.ended_at, one.ended_by, why.ended if why else None),
    }


def _step(at: int | None, by: str | None, why: str | None) -> dict[str, Any] | None:
    return None if at is None else {"at": _time(at), "by": by, "why": why}


def _link(one: DatedLink, names: Names, may_see: bool) -> dict[str, Any]:
    return {
        "a": _name(one.a, names, may_see),
        "b": _name(one.b, names, may_see),
        "tier": one.tier,
        "rule": one.rule,
        "ruleVersion": one.rule_version,
        "score": one.score,
        "why": dict(one.why),
        "ruling": one.ruling_id,
        "text": _text(words.TIERS, one.tier),
        "from": {"at": _time(one.from_at), "cause": one.from_cause, "by": one.from_actor},
        "to": None if one.to_at is None else {"at": _time(one.to_at), "cause": one.to_cause, "by": one.to_actor},
    }


def _named(person: frozenset[int], names: Names, may_see: bool) -> list[str]:
    return sorted(_name(one, names, may_see) for one in person)


def _name(record: int, names: Names, may_see: bool) -> str:
    """The record's name; for who may not see which records there are, its institution."""
    name = names.get(record)
    if name is None:
        return "?"
    return str(name) if may_see else f"{name.institution}/…"


def _outcome(outcome: str, note: str) -> dict[str, str]:
    zh, en = words.OUTCOMES[outcome]
    if note:
        note_zh, note_en = words.NOTES.get(note, (note, note))
        return {"zh": f"{zh}（{note_zh}）", "en": f"{en} ({note_en})"}
    return {"zh": zh, "en": en}


def _text(among: Mapping[str, words.Text], key: str) -> dict[str, str]:
    zh, en = among[key]
    return {"zh": zh, "en": en}


def _time(us: int) -> str:
    return from_us(us).isoformat(timespec="milliseconds")
