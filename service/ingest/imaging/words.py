"""What the words of an exam's name, description or report say of it: region, side, contrast, technique.

A name lists exams: "胸部平扫+上腹部增强" is two, "头颅MRI平扫+DWI" the plain brain and DWI, "胸部+上腹部CT平扫"
two plain regions. What is recommended, compared with or past is not this exam and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from service.domain.catalogue import Catalogue
from service.domain.report import ExamPart
from service.ingest.imaging.lexicon import Token, fold, lexicon_of, upper
from service.ingest.imaging.limbs import as_parts
from service.ingest.imaging.sides import merge_sides, sides_of

HOME = {
    "CTPA": "CHEST", "U": "KIDNEY", "CAC": "HEART", "MRCP": "GALLBLADDER", "PIT": "BRAIN", "OB": "UTERUS",
    "HOLTER": "HEART", "ABPM": "HEART", "PFT": "LUNG", "KUB": "ABDOMEN", "BONEAGE": "HAND",
}  # fmt: skip
"""Techniques that are of one region, whatever region word stands beside them (上腹部MRCP, 胸部CTPA)."""

_ADDED = frozenset({"A", "CTPA", "U", "CAC", "DWI", "MRCP", "V", "PERFUSION", "SWI", "MRS", "DTI", "PIT", "KUB"})
"""Techniques that, joined by a plus, are done besides what was named before; all others say how it was done."""

_LONGEST_TEXT, _LONGEST_SENTENCE = 20_000, 1_000  # characters; no exam is named further on, and time stays bounded
_HOW = frozenset({"LD", "UPRIGHT", "2V", "BONE", "VEIN", "ARTERY", "LYMPH", "INTERVENTION", "SIMULATION"})
_INSTEAD = {"CTPA": ("A", "ARTERY", "VEIN"), "A": ("ARTERY", "VEIN"), "V": ("ARTERY", "VEIN")}
_UNSAID: Sequence[str | None] = (None,)
SENTENCE = re.compile(r"[。；;!！?？\n\r]|\.(?=\s|$)")
_PIECE = re.compile(r"([,，()（）])")
NOT_THIS_EXAM = re.compile(
    r"建议|必要时|拟行|择期|随诊|随访|(?:后|定期|建议|请|注意|可|再).{0,4}复查|复查(?=\s*(?:[A-Z]|增强|平扫|超声|彩超))|复诊|对照|比较|与.{0,12}对比|对比(?!增强|剂)|前片|旧片|老片|原片|既往|上次|前次|外院|术后|病史|骨折史|手术史|外伤史|"
    r"未行(?!增强)|未做(?!增强)|可行|进一步|拒绝|取消|放弃|另约|预约|待约|另行|改期|对侧|健侧|较(?=.{0,6}[左右前])|未扫|未检|未包括|不包括|不含|"
    r"RECOMMEND|SUGGEST|ADVISE|CONSIDER|INDICATED|IF NEEDED|AS NEEDED|COULD BE|"
    r"WOULD BE|MAY BE|SHOULD BE|FOLLOW ?UP WITH|CORRELAT|COMPAR|PRIOR|PREVIOUS|HISTORY|VERSUS|STATUS POST|S/P|"
    r"CONTRALATERAL|OPPOSITE|NOT (?:IMAGED|EXAMINED|INCLUDED|SCANNED|EVALUATED|PERFORMED)|"
    r"DECLINE|REFUSE|DEFER|CANCEL|UNABLE"
)
_PAST = re.compile(r"术后|骨折史|手术史|外伤史|STATUS POST|S/P")
"""What was done before ends with its clause: 左髋术后，右髋MRI平扫."""

_NEEDLE = re.compile(
    r"经[左右双]?侧?[^,，。;；+、]{0,6}静脉(?:注射|注入|团注|推注|穿刺|留置)?|[左右双]侧?[^,，。;；+、左右]{1,6}静脉(?:置管|留置针?)|"
    r"(?:(?:LEFT|RIGHT|LT|RT|L|R) )?(?:ARM|HAND|WRIST|ELBOW|FOREARM|FOOT|ANTECUBITAL) IV\b(?! CONTRAST)",
    re.IGNORECASE,
)
_JOINS = re.compile(r"[+＋&、,，/及和与加并]|(?<![A-Z])(?:AND|PLUS)(?![A-Z])")


@dataclass(frozen=True, slots=True)
class WordFacts:
    """What a text says. Each claim is one thing the exam shows; an empty modality, or None, is not said."""

    claims: tuple[ExamPart, ...] = ()

    @property
    def modalities(self) -> frozenset[str]:
        """The modalities named."""
        return frozenset(one.modality for one in self.claims if one.modality)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions named, in order of appearance."""
        return tuple(dict.fromkeys(one.region for one in self.claims if one.region))

    @property
    def laterality(self) -> str | None:
        """L, R, B (also when both are named), or None."""
        return merge_sides(one.laterality for one in self.claims)

    @property
    def contrast(self) -> str | None:
        """with, without, both (also when both are named), or None."""
        return merge_contrasts(one.contrast for one in self.claims)

    @property
    def techniques(self) -> frozenset[str]:
        """The techniques named."""
        return frozenset(one.technique for one in self.claims if one.technique)


def merge_contrasts(contrasts: Iterable[str | None]) -> str | None:
    """Plain and enhanced together are `both`; what is not said adds nothing."""
    said = {one for one in contrasts if one}
    return None if not said else said.pop() if len(said) == 1 else "both"


def read_words(text: str, catalogue: Catalogue) -> WordFacts:
    """Reads a name, description or report in Chinese or English; an empty or unknown text says nothing."""
    claims: list[ExamPart] = []
    for sentence in SENTENCE.split(fold(text[:_LONGEST_TEXT])):
        if kept := _this_exam(sentence[:_LONGEST_SENTENCE]):
            claims.extend(_read_sentence(kept, catalogue))
    return WordFacts(_tidy(_spread(claims), catalogue))


def read_side(text: str, catalogue: Catalogue) -> str | None:
    """The side a series' own description says without naming a region (`LEFT SAG T2`); a lone letter says nothing."""
    tokens = [one for one in lexicon_of(catalogue).find(_this_exam(fold(text))) if one.kind == "side"]
    return merge_sides(one.value for one in tokens if one.end - one.start > 1 or not text.isascii())


def _spread(claims: list[ExamPart]) -> list[ExamPart]:
    """A sentence of its own ("CT chest. No contrast.") speaks of the regions that the others name."""
    named = [one for one in claims if one.region]
    if not named:
        return claims
    for other in claims:
        if other.region is None and other.technique in (None, *_HOW):
            named = [
                replace(
                    one,
                    modality=one.modality or other.modality,
                    contrast=one.contrast or other.contrast,
                    technique=one.technique or other.technique,
                )
                for one in named
            ]
        elif other.region is None:
            named += [replace(other, region=one.region, laterality=one.laterality) for one in named]
    return named


def _this_exam(sentence: str) -> str:
    """The sentence without what is recommended, compared with or past: from such a word on, to the closing bracket;
    and without the place where contrast was injected."""
    sentence = _NEEDLE.sub(" ", sentence)
    kept: list[str] = []
    dropping = past = False
    for piece in _PIECE.split(sentence):
        if piece in (")", "）") or (past and piece in (",", "，")):
            dropping = past = False
        past = past or (not dropping and _PAST.search(upper(piece)) is not None)
        dropping = dropping or NOT_THIS_EXAM.search(upper(piece)) is not None
        kept.append("" if dropping else piece)
    return "".join(kept).strip(" ,，()（）")


@dataclass(slots=True)
class _Group:
    """One exam of a list: its regions and how they were examined."""

    regions: list[str] = field(default_factory=list)
    contrast: str | None = None
    techniques: list[str] = field(default_factory=list)
    modality: str = ""
    closed: bool = False  # the modality follows the region: what comes later is said of other regions
    leads: bool = False  # how comes before where (CT ANGIO ABDOMEN/PELVIS): said of all that follow


def _read_sentence(text: str, catalogue: Catalogue) -> list[ExamPart]:
    tokens = as_parts(text, lexicon_of(catalogue).find(text))
    if not tokens:
        return []
    sides = sides_of(text, tokens, catalogue)
    groups = _group(text, tokens)
    for earlier, later in zip(reversed(groups[:-1]), reversed(groups[1:]), strict=True):
        if earlier.contrast is None and not earlier.closed and not earlier.techniques:
            earlier.contrast = later.contrast
            if not later.techniques or set(later.techniques) <= {"LD", "VEIN", "ARTERY"}:
                earlier.techniques = list(later.techniques)
    if groups and groups[0].leads:
        for later in groups[1:]:
            if not later.techniques and later.contrast is None:
                later.techniques, later.contrast = list(groups[0].techniques), groups[0].contrast
    modality = next((one.modality for one in groups if one.modality), "")
    claims = []
    for group in groups:
        for better, worse in _INSTEAD.items():  # 下肢动脉CTA is one exam, and no plain one beside it
            if better in group.techniques:
                group.techniques = [one for one in group.techniques if one not in worse]
        for technique in group.techniques or _UNSAID:
            homes = [HOME[technique]] if technique in HOME else group.regions or _UNSAID
            for region in homes:
                side = sides.get(region) if region else None
                claims.append(ExamPart(group.modality or modality, region, side, group.contrast, technique))
    return claims


def _group(text: str, tokens: tuple[Token, ...]) -> list[_Group]:
    """The list of exams: a joining word with a region starts the next one; without a region it adds to the last."""
    groups: list[_Group] = []
    pending = _Group()
    segment: list[Token] = []
    previous_end = 0

    def close() -> None:
        nonlocal pending
        if not segment:
            return
        kinds = {one.kind for one in segment}
        if "region" in kinds:
            groups.append(_of_segment(segment, pending))
            pending = _Group()
            return
        alone = _of_segment(segment, _Group())
        added = [one for one in alone.techniques if one in _ADDED or one in HOME]
        if not groups:
            pending = _of_segment(segment, pending)
        elif added:
            last = groups[-1]
            groups.append(_Group(list(last.regions), alone.contrast or last.contrast, added, alone.modality, True))
        else:
            for group in groups:
                group.techniques += [one for one in alone.techniques if one not in group.techniques]
            groups[-1].contrast = merge_contrasts((groups[-1].contrast, alone.contrast))
            groups[-1].modality = groups[-1].modality or alone.modality
        return

    for token in tokens:
        if token.start > previous_end and _JOINS.search(upper(text[previous_end : token.start])):
            close()
            segment = []
        segment.append(token)
        previous_end = max(previous_end, token.end)
    close()
    if not groups and (pending.techniques or pending.contrast or pending.modality):
        groups.append(pending)
    return groups


def _of_segment(segment: list[Token], pending: _Group) -> _Group:
    group = replace(pending, regions=list(pending.regions), techniques=list(pending.techniques))
    for token in segment:
        if token.kind == "region" and token.value not in group.regions:
            group.regions.append(token.value)
        elif token.kind == "technique" and token.value not in group.techniques:
            group.techniques.append(token.value)
            group.leads = group.leads or not group.regions
        elif token.kind == "contrast":
            group.contrast = merge_contrasts((group.contrast, token.value))
        elif token.kind == "modality":
            group.modality = group.modality or token.value
            group.closed = bool(group.regions)
    return group


def _tidy(claims: list[ExamPart], catalogue: Catalogue) -> tuple[ExamPart, ...]:
    """Claims once each; regions that differ in nothing else and make up a combined region become that region."""
    whole = {
        frozenset(part for inner in one.contains for part in catalogue.parts_of(inner)): one.id
        for one in catalogue.regions.values()
        if len(one.contains) > 1
    }
    alike: dict[ExamPart, list[str]] = {}
    for claim in claims:
        regions = alike.setdefault(replace(claim, region=None), [])
        if claim.region and claim.region not in regions:
            regions.append(claim.region)
    tidy: list[ExamPart] = []
    for claim, regions in alike.items():
        parts = frozenset(part for one in regions for part in catalogue.parts_of(one))
        if len(regions) > 1 and parts in whole:
            regions = [whole[parts]]
        tidy.extend(replace(claim, region=region) for region in regions or _UNSAID)
    return tuple(dict.fromkeys(tidy))
