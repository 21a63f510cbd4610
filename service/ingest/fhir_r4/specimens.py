"""What is wrong with a specimen, from codes and from words, zh and en (contract, section 3).

Words are read with their negation (未见溶血, no hemolysis). In doubt a word counts: the result then asks for a look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from service.ingest.fhir_r4.shapes import Concepts, Specimen, concepts

_CODES = {
    "HEM": "haemolysed",
    "CLOT": "clotted",
    "CON": "contaminated",
    "LIP": "lipaemic",
    "LIPE": "lipaemic",
    "ICT": "icteric",
    "QNS": "insufficient",
    "AUT": "autolysed",
    "SNR": "not-received",
}
"""HL7 table v2-0493 (specimen condition), and the letters that laboratories add to it. COOL, FROZ, LIVE, ROOM, CFU
say how it came, not that anything is wrong."""

_STATES = {"unsatisfactory": "compromised", "entered-in-error": "withdrawn", "unavailable": "unavailable"}
_HANDLING = frozenset({"COOL", "FROZ", "LIVE", "ROOM", "CFU", "SUB"})

_WORDS: tuple[tuple[str, str], ...] = (
    ("haemolysed", r"溶血(?![性试实检素链])|h(?:a|æ)?emoly[sz](?:ed|is)|gross(?:ly)? h(?:a|æ)?emoly"),
    ("lipaemic", r"脂血|乳糜(?![试胸泻])|脂浊|lip(?:a|æ)?emi[ac]|chylous (?:serum|plasma|specimen|sample)"),
    ("icteric", r"黄疸(?:标本|样本|血清|血浆)|(?:标本|样本|血清|血浆)(?:呈)?黄疸|icteri[ct]|icterus"),
    ("clotted", r"凝块|(?:标本|样本|血样|全血)[^，。;；,.]{0,4}凝[固集]|有凝[血固]|微凝|小凝|\bclot(?:s|ted)?\b"),
    ("contaminated", r"污染|contaminat"),
    ("insufficient", r"(?:标本|样本|血|尿|送检|采集|采血)?量(?:不足|少|过少|不够)|insufficient|\bqns\b|short sample"),
    ("wrong-container", r"(?:试管|容器|抗凝剂|采血管)(?:错误|不符|有误|不当)|wrong (?:tube|container|anticoagulant)"),
    ("delayed", r"(?:送检|标本|样本)(?:超时|延迟|陈旧|放置过久)|delayed (?:transport|receipt)|too old to test"),
    ("compromised", r"不合格(?:标本|样本)|(?:标本|样本)不合格|unsatisfactory (?:specimen|sample)|让步检验|compromised"),
)  # fmt: skip
_PATTERNS = tuple((issue, re.compile(words, re.IGNORECASE)) for issue, words in _WORDS)

_NEGATION = (
    r"未见|未发现|未查见|没有|并无|无|未|非|不|排除|\bno(?: evidence of| visible| signs? of| significant)?"
    r"|\bnot|\bwithout|\bnon-?|\bnegative for|\bfree of"
)
_DEGREE = r"(?:明显|肉眼|可见|任何|被|any |visibly |grossly )*"
_LISTED = r"(?:溶血|脂血|黄疸|凝块|乳糜|污染|h(?:a|æ)?emoly\w+|lip(?:a|æ)?emi\w+|icter\w+|clots?)"
_JOINED = r"\s*(?:及|和|或|与|、|/|\band\b|\bor\b)\s*"  # no comma: after one, a new statement may begin
_NEGATED_BEFORE = re.compile(rf"(?:{_NEGATION})\s*{_DEGREE}(?:{_LISTED}{_JOINED}){{0,4}}$", re.IGNORECASE)
_NEGATED_AFTER = re.compile(
    r"\s*(?:指数|index)?\s*[:：(（]?\s*(?:[-－—]|阴性|无|未见|0|neg(?:ative)?|none|no|absent)\s*(?:$|[)）,，;；。.、](?!\d))",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def read_issue_words(text: str) -> tuple[str, ...]:
    """The specimen issues that `text` names and does not deny, each once, in a fixed order."""
    return tuple(issue for issue, words in _PATTERNS if any(_stands(text, hit) for hit in words.finditer(text)))


def _stands(text: str, hit: re.Match[str]) -> bool:
    before = text[max(0, hit.start() - 60) : hit.start()]
    return not _NEGATED_BEFORE.search(before) and not _NEGATED_AFTER.match(text, hit.end())


def condition_issues(condition: Concepts) -> tuple[str, ...]:
    """The issues that coded conditions name; an unknown code with unknown words is an issue of its own name."""
    found: list[str] = []
    for concept in concepts(condition):
        codes = [(one.code or "").upper() for one in concept.codings]
        known = [_CODES[code] for code in codes if code in _CODES]
        words = read_issue_words(" ; ".join([concept.text or "", *(one.display or "" for one in concept.codings)]))
        found += known or words
        if codes and not known and not words and not _HANDLING.intersection(codes):
            found.append("condition-" + re.sub(r"[^a-z0-9]+", "-", codes[0].casefold()).strip("-")[:20])
    return tuple(dict.fromkeys(found))


def specimen_issues(specimen: Specimen) -> tuple[str, ...]:
    """All issues a Specimen resource tells: status, condition, notes."""
    found = list(condition_issues(specimen.condition))
    if specimen.status in _STATES:
        found.append(_STATES[specimen.status])
    for note in specimen.note or ():
        found += read_issue_words(note.text or "")
    return tuple(dict.fromkeys(found))


def issues_of_words(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The issues that any of `texts` names."""
    return tuple(dict.fromkeys(issue for text in texts if text for issue in read_issue_words(text)))
