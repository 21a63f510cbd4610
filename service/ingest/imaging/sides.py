"""Which side a text says of each paired region. A wrong side is the worst error here, so whatever can be read in two
ways says nothing: a side between two regions, either of two sides, a side denied or corrected."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from service.domain.catalogue import Catalogue
from service.ingest.imaging.lexicon import Token, upper

_BEFORE = re.compile(r"[\s侧边的\-:(（]*(?:(?:THE|OF|SIDE|SIDED)\s+)*")
_AFTER = re.compile(
    r"(?:[\s\-:,/()（）\[\].侧边关节部]|JOINTS?|(?:\d+|TWO|THREE) ?V(?:IEWS?|WS?)?(?![A-Z])|"
    r"(?:COMPLETE|LIMITED|SCREENING|ROUTINE|STANDING|SERIES|STUDY|EXAM|UNILAT(?:ERAL)?|MIN(?:IMUM)?|AP|PA|LAT(?:ERAL)?|OBL(?:IQUE)?)(?![A-Z]))*"
)
"""What may stand between a region and the side behind it: blanks, brackets, how the film was taken."""

_BOTH = re.compile(r"[\s\d张]*(?:[+＋&、,，及和与加并]|AND|PLUS)?\s*")
_EITHER = re.compile(r"\s*(?:/|或|OR|VS\.?)\s*")
_DENIED = re.compile(r"(?:非|不是|不做|不拍|无|(?<![A-Z])(?:NOT|NO|NON)(?: THE)?)[\s\-]*$")
_CORRECTED = re.compile(
    r"更正|更改|改为|改成|改做|改拍|改(?=\s*[左右])|误|应为|原(?=[左右])|(?<![A-Z])(?:WRONG|CHANGED|CORRECTED|INSTEAD|ERROR|MISLABEL)"
)
"""Words that take back a side that the same sentence says."""


_RADIOTHERAPY = re.compile(
    r"放疗|放射治疗|(?<![A-Z])(?:SIM|SIMULATION|PLANNING|TREATMENT|BOOST|RADIOTHERAPY)(?![A-Z])|\dGY"
)
"""With these words RT is radiotherapy, not right."""


@dataclass(slots=True)
class _Mention:
    """One paired region in the text, and the side words that may belong to it."""

    region: str
    before: list[Token] = field(default_factory=list)
    after: list[Token] = field(default_factory=list)
    is_doubtful: bool = False


def merge_sides(sides: Iterable[str | None]) -> str | None:
    """Both sides together are B; what is not said adds nothing."""
    said = {one for one in sides if one}
    return None if not said else said.pop() if len(said) == 1 else "B"


def sides_of(text: str, tokens: tuple[Token, ...], catalogue: Catalogue) -> dict[str, str]:
    """The side of each paired region, from side words right before or right behind it, or in its own word (RLE).

    Other side words (左肺, 右上腹, 左侧卧位) say nothing of the exam's side.
    """
    capital = upper(text)
    if _CORRECTED.search(capital):
        return {}
    if _RADIOTHERAPY.search(capital):
        tokens = tuple(one for one in tokens if capital[one.start : one.end] != "RT")
    regions = [one for one in tokens if one.kind == "region"]
    inside = _inside(regions, tokens)
    apart = tuple(one for one in tokens if one.kind != "side" or one not in inside)
    mentions = [_mention(capital, apart, inside, one) for one in regions if catalogue.is_paired(one.value)]
    for organ in regions:
        if not catalogue.is_paired(organ.value):  # 膝 左肺
            mine = [one for one in tokens if one.kind == "side" and 0 <= organ.start - one.end <= 1]
            for mention in mentions:
                mention.after = [one for one in mention.after if one not in mine]
    _settle_contested(mentions)
    said: dict[str, set[str]] = {}
    doubtful = {one.region for one in mentions if one.is_doubtful}
    for one in mentions:
        before, after = merge_sides(t.value for t in one.before), merge_sides(t.value for t in one.after)
        if before and after and before != after:
            doubtful.add(one.region)
        said.setdefault(one.region, set()).update(filter(None, (before, after)))
    known = {region: side for region, sides in said.items() if (side := merge_sides(sides))}
    return {region: side for region, side in known.items() if region not in doubtful}


def _inside(regions: list[Token], tokens: tuple[Token, ...]) -> dict[Token, int]:
    """The sides that are said within a region's own words (RLE, RLE KNEE), with the start of that region."""
    owner = {at: region.start for region in regions for at in range(region.start, region.end)}
    return {one: owner[one.start] for one in tokens if one.kind == "side" and one.start in owner}


def _mention(capital: str, tokens: tuple[Token, ...], inside: dict[Token, int], region: Token) -> _Mention:
    mention = _Mention(region.value)
    _read_before(capital, tokens, region, mention)
    _read_after(capital, tokens, region, mention)
    mention.before += [one for one, start in inside.items() if start == region.start]
    return mention


def _read_before(capital: str, tokens: tuple[Token, ...], region: Token, mention: _Mention) -> None:
    start = region.start
    for token in reversed(tokens):
        if token.end > start:
            continue
        gap = capital[token.end : start]
        if token.kind in ("modality", "technique", "contrast") and not gap.strip() and not mention.before:
            start = token.start  # "right MR knee": how it is examined may stand between
            continue
        if token.kind != "side":
            break
        if mention.before and _EITHER.fullmatch(gap):
            mention.is_doubtful = True
        elif not (_BOTH.fullmatch(gap) if mention.before else _BEFORE.fullmatch(gap)):
            break
        mention.before.append(token)
        start = token.start
    if mention.before and _DENIED.search(capital[:start]):
        mention.is_doubtful = True


def _read_after(capital: str, tokens: tuple[Token, ...], region: Token, mention: _Mention) -> None:
    end = region.end
    starts = {one.start for one in tokens}
    for token in tokens:
        if token.start < end:
            continue
        gap = capital[end : token.start]
        if mention.after and token.kind == "side":
            if _EITHER.fullmatch(gap):
                mention.is_doubtful = True
            elif not _BOTH.fullmatch(gap):
                break
        elif not _AFTER.fullmatch(gap):
            break
        if token.kind == "region" or (mention.after and token.kind != "side"):
            break
        if token.kind == "side" and capital[token.end : token.end + 1] >= "\u3400" and token.end not in starts:
            break  # 踝关节(左肺结节): the side of something unknown
        if token.kind == "side":
            mention.after.append(token)
        end = token.end


def _settle_contested(mentions: list[_Mention]) -> None:
    """A side between two regions is the one's or the other's by how the rest is written: 左膝右踝, KNEE RIGHT ANKLE
    LEFT; where that does not tell it is nobody's."""
    behind = {token: one.region for one in mentions for token in one.after}
    ahead = {token: one.region for one in mentions for token in one.before}
    leading, trailing = bool(ahead.keys() - behind.keys()), bool(behind.keys() - ahead.keys())
    contested = behind.keys() & ahead.keys()
    unsettled = leading is trailing
    nobodys = {token for token in contested if behind[token] != ahead[token]}  # unlike 膝 左膝
    for one in mentions:
        if unsettled:
            one.before = [token for token in one.before if token not in nobodys]
        elif trailing:
            one.before = [token for token in one.before if token not in contested]
        if unsettled or leading:
            one.after = [token for token in one.after if token not in contested]
