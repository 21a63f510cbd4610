"""What the text of a report surely says of how this exam was made: contrast and technique.

A name says what was done; a report also talks of what might be done, was done before, or lies elsewhere ("请结合增强
CT", "两肺纹理增强", "contrast CT in 3 months"). So a word counts here only where its clause tells that it was done
("增强扫描示…", "平扫+增强", "after IV contrast"). Anything else says nothing, which ends as a review, never as a reuse
(contract, section 3: words of the report come last).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.domain.catalogue import Catalogue
from service.domain.report import ExamPart
from service.ingest.imaging.lexicon import Token, fold, lexicon_of, upper
from service.ingest.imaging.words import NOT_THIS_EXAM, SENTENCE

_LONGEST_TEXT, _LONGEST_SENTENCE = 20_000, 1_000
_HEADING = re.compile(
    r"\W*(?:(?P<others>(?:[^:]{0,8}(?:建议|意见|随访|对照|比较|病史|既往|主诉|临床\w*)|RECOMMENDATIONS?|SUGGESTIONS?|PLAN|"
    r"COMPARISONS?|HISTORY|INDICATIONS?|CLINICAL \w+|PRIOR EXAMS?|FOLLOW UP))|"
    r"[^:]{0,8}(?:所见|印象|诊断|结论|技术|方法|表现|FINDINGS?|IMPRESSIONS?|CONCLUSIONS?|TECHNIQUE|EXAM|PROCEDURE))\W*(?::|$)"
)
"""A heading; what stands under one of `others` is no word on how this exam was made."""

_MAYBE = re.compile(
    r"复查|有助|明确|除外|排除|进一步|更佳|为宜|为好|为妥|最好|待|需|应|宜|请|可行|可做|鉴别|参考|结合|如条件|如有|若|或行|拟|预约|推荐|"
    r"较|原片|昨|前日|月后|周后|年后|\d{4}\s*[-年./]\s*\d|"
    r":\s*(?:无|否|不适用|未用|未使用|NO|NONE|N/?A|NIL)\s*(?:\W|$)|是否|平扫/增强\s*:|另行|另见|明日|预定|已开|"
    r"TO BE |WILL |SCHEDUL|BETTER|RECENT|DATED|KNOWN|ORDERED|TO FOLLOW|NEXT |TOMORROW|PENDING|PLANNED|\d\s*/\s*\d|"
    r"FURTHER|HELPFUL|PLEASE|COULD|WOULD|MAY |MIGHT|SHOULD|NEEDED|IF |FUTURE|SINCE|MONTHS?|WEEKS?|YEARS?|VS\.?|"
    r"REPEAT|EVALUAT|LACK|ABSENCE|WITHHELD|CONTRAINDICAT|ALLERG|UNLESS|OUTSIDE|LAST|EARLIER|RESIDUAL|ORAL|UNABLE"
)
"""Words of a wish, a condition or another time; with one in its sentence no word tells what was done."""

_MAKES_ANOTHER = frozenset({"LD", "INTERVENTION", "SIMULATION"})
"""Techniques by which an exam cannot answer a plain order: believed wherever nothing doubts them."""

_ASIDE = 6  # characters: "增强CT检查, 建议" takes back what it said; a longer clause speaks of something else

_BEFORE = re.compile(r"[\s于经行本次本院静脉团注螺旋排双期三多薄层及和与加并、+/()\-\d扫描检查成像方法序列的]*")
_AFTER = re.compile(r"[\s扫描检查成像图像片+、/及和与加()\-]*")
_FINDING = re.compile(r"[\s扫描检查成像图像片]*(?:所?示|所?见|可见|未见|显示|提示|后|各期|[早晚]期|呈|.{0,20}强化)")
_PHASE = re.compile(r"(?:动脉|静脉|门脉|门静脉|延迟)期.{0,20}强化")
_DONE = re.compile(r"ADMINIST|INJECT|PERFORMED|ACQUIRED|OBTAINED|AFTER|FOLLOWING|POST ?CONTRAST|PHASE|TECHNIQUE")
_BEFORE_EN = re.compile(r"(?:[\s\d:,()/+-]|SCAN|OF|THE|AND|AN?)*")
_AFTER_EN = re.compile(r"[\s.)]*(?:(?:CT|MRI?|SCAN|IMAGES)\W*)*(?:SHOW|DEMONSTRAT|REVEAL|WAS|IMAGES|$)")
_GIVEN = re.compile(r"CONTRAST(?: (?:MEDIUM|MATERIAL|AGENT|MEDIA))? (?:WAS|WERE|HAS BEEN) (?:ADMINIST|GIVEN|INJECT)")


def read_report(text: str, catalogue: Catalogue) -> tuple[ExamPart, ...]:
    """What the report tells of contrast and technique: one part for each word that counts, with the region and the
    modality that its clause names."""
    found: list[ExamPart] = []
    for clause, sure in told_clauses(text):
        for part in filter(None, clause.split(":")):  # 检查方法:胸部增强; 增强:明显强化
            found.extend(_read_clause(part, sure, catalogue))
    return tuple(dict.fromkeys(found))


def told_clauses(text: str) -> Iterator[tuple[str, bool]]:
    """The clauses that speak of this exam as it was made, folded; each with whether it stands without a finding
    behind it (False where the sentence doubts)."""
    silent = False
    for line in text[:_LONGEST_TEXT].splitlines():
        for sentence in SENTENCE.split(fold(line)):
            if heading := _HEADING.match(upper(sentence)):
                silent = heading["others"] is not None
            if not silent:
                yield from _told(re.split("[,，]", sentence[:_LONGEST_SENTENCE]))


def _told(clauses: list[str]) -> Iterator[tuple[str, bool]]:
    doubted = False
    for clause, following in zip(clauses, [*clauses[1:], ""], strict=True):
        doubts = _is_doubted(clause)
        if not doubts:
            yield clause, not doubted and not (len(following) <= _ASIDE and _is_doubted(following))
        doubted = doubted or doubts


def _is_doubted(clause: str) -> bool:
    capital = upper(clause)
    return _MAYBE.search(capital) is not None or NOT_THIS_EXAM.search(capital) is not None


def _read_clause(clause: str, sure: bool, catalogue: Catalogue) -> list[ExamPart]:
    tokens = lexicon_of(catalogue).find(clause)
    modality = next((one.value for one in tokens if one.kind == "modality"), "")
    regions: list[str | None] = [one.value for one in tokens if one.kind == "region"]
    contrasts = [one.value for one in tokens if one.kind == "contrast" and _is_told(one, clause, tokens, sure)]
    if not contrasts and _GIVEN.search(upper(clause)):
        contrasts = ["with"]
    techniques = [
        one.value
        for one in tokens
        if one.kind == "technique"
        if _is_told(one, clause, tokens, sure) or (sure and one.value in _MAKES_ANOTHER)
    ]
    said = [("", one) for one in contrasts] + [(one, "") for one in techniques]
    return [
        ExamPart(modality, region, None, contrast or None, technique or None)
        for technique, contrast in said
        for region in regions or [None]
    ]


def _is_told(token: Token, clause: str, tokens: tuple[Token, ...], sure: bool) -> bool:
    """Whether the clause says that it was done: Chinese, by nothing else before the word and a finding or nothing
    behind it; English, by a word of doing."""
    if clause[token.start : token.end].isascii():
        if token.value == "without" or (token.kind == "contrast" and _DONE.search(upper(clause))):
            return True
        if clause.isascii():
            before, after = _before(token, clause, tokens), _behind(token, clause, tokens)
            return _BEFORE_EN.fullmatch(before) is not None and _AFTER_EN.match(after) is not None
    if _PHASE.match(clause[token.start :]):
        return True
    before = _before(token, clause, tokens)
    return _BEFORE.fullmatch(before) is not None and (
        _goes_on(token, clause, tokens) or (sure and _AFTER.fullmatch(_behind(token, clause, tokens)) is not None)
    )


def _goes_on(token: Token, clause: str, tokens: tuple[Token, ...]) -> bool:
    return _FINDING.match(_behind(token, clause, tokens)) is not None


def _before(token: Token, clause: str, tokens: tuple[Token, ...]) -> str:
    """What stands before a word, other known words apart."""
    before = clause[: token.start]
    for one in reversed([one for one in tokens if one.end <= token.start]):
        before = before[: one.start] + before[one.end :]
    return upper(before)


def _behind(token: Token, clause: str, tokens: tuple[Token, ...]) -> str:
    """What follows a word, the exam's own names apart (增强CT, 增强扫描)."""
    end = token.end
    for one in tokens:
        if one.start == end and one.kind in ("modality", "technique", "contrast"):
            end = one.end
    return upper(clause[end:])
