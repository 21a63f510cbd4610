"""Finds the known words of exam names in a text, longest first: regions from the catalogue, the rest from
`phrases`."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple

from service.domain.catalogue import Catalogue
from service.ingest.imaging.phrases import CONTRAST_PATTERNS, PHRASES

_UPPER = {ord(low): ord(low.upper()) for low in "abcdefghijklmnopqrstuvwxyz"}
_LATIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NEXT_TO_HAN = frozenset("部正侧斜位及和与加、双左右关平增负轴站拼")


class Token(NamedTuple):
    """A known word in a text: where, what kind (`region`, `side`, `contrast`…), which value."""

    start: int
    end: int
    kind: str
    value: str


def fold(text: str) -> str:
    """The text in one spelling: NFKC, no underscores, carets or camel case, single blanks; letters keep their case."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|[_^\t|]|(?<=[A-Za-z])-(?=[A-Za-z])", " ", text)
    return re.sub(r" {2,}", " ", text).strip()


def upper(text: str) -> str:
    """Latin letters in upper case; every character stays in its place."""
    return text.translate(_UPPER)


class Lexicon:
    """All known words of one catalogue, found longest first."""

    def __init__(self, catalogue: Catalogue) -> None:
        entries: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for region in catalogue.regions.values():
            for word in (region.id, region.name_zh, region.name_en, *region.synonyms):
                if word:
                    entries[upper(fold(word))] = [("region", region.id)]
        for spec, phrases in PHRASES.items():
            facts = [(kind, value) for kind, _, value in (one.partition("=") for one in spec.split(" "))]
            for phrase in phrases.split("|"):
                # A word of two meanings (BREAST by mammography) keeps both; a region's own synonym is outranked.
                known = entries.get(upper(fold(phrase)), [])
                regions = [] if any(kind == "region" for kind, _ in facts) else known
                entries[upper(fold(phrase))] = facts + [one for one in regions if spec != "nothing="]
        self.entries = dict(entries)
        by_first: defaultdict[str, list[str]] = defaultdict(list)
        for phrase in sorted(entries, key=len, reverse=True):
            by_first[phrase[0]].append(phrase)
        self.by_first = dict(by_first)
        self.find_short = lru_cache(maxsize=4096)(self._find)

    def find(self, text: str) -> tuple[Token, ...]:
        """The known words of a folded text, in order. Short texts (exam names) repeat and are remembered."""
        return self.find_short(text) if len(text) <= 120 else self._find(text)

    def _find(self, text: str) -> tuple[Token, ...]:
        found: list[Token] = []
        capital = upper(text)
        taken: dict[int, Token] = {}
        covered = bytearray(len(capital))
        for pattern, value in CONTRAST_PATTERNS:
            for match in pattern.finditer(capital):
                if not any(covered[match.start() : match.end()]):
                    covered[match.start() : match.end()] = b"\1" * (match.end() - match.start())
                    taken[match.start()] = Token(match.start(), match.end(), "contrast", value)
        position, end = 0, len(capital)
        previous_end = -1
        while position < end:
            if position in taken:
                found.append(taken[position])
                position = previous_end = taken[position].end
                continue
            phrase = self._match(text, capital, position, previous_end)
            if phrase is None:
                position += 1
                continue
            stop = position + len(phrase)
            meanings = self.entries[phrase]
            found.extend(Token(position, stop, kind, value) for kind, value in meanings if kind != "nothing")
            position = previous_end = stop
        return tuple(found)

    def _match(self, text: str, capital: str, at: int, previous_end: int) -> str | None:
        for phrase in self.by_first.get(capital[at], ()):
            if capital.startswith(phrase, at) and self._stands_alone(text, capital, phrase, at, previous_end):
                return phrase
        return None

    def _stands_alone(self, text: str, capital: str, phrase: str, at: int, previous_end: int) -> bool:
        stop = at + len(phrase)
        before, after = capital[at - 1 : at], capital[stop : stop + 1]
        if phrase[0] in _LATIN and before in _LATIN and before:
            return False
        if phrase[-1] in _LATIN:
            if after in _LATIN and after and not (after == "S" and capital[stop + 1 : stop + 2] not in _LATIN):
                return False
            if len(phrase) <= 2 and phrase not in ("CT", "LT", "RT"):
                return text[at:stop] == phrase and after != "." and not after.isdigit() and not before.isdigit()
            return True
        if len(phrase) == 1 and self.entries[phrase][0][0] == "region":
            # One character (手, 足, 心) is a body part only on its own or beside another word of the exam's name.
            free_before = not before or not _is_han(before) or previous_end == at
            next_is_word = after in _NEXT_TO_HAN or any(
                capital.startswith(one, stop) for one in self.by_first.get(after, ())
            )
            return free_before and (not after or not _is_han(after) or next_is_word)
        return True


def _is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"


_LEXICONS: list[tuple[Catalogue, Lexicon]] = []


def lexicon_of(catalogue: Catalogue) -> Lexicon:
    """The lexicon of this catalogue; made once, the last few are kept."""
    for known, lexicon in _LEXICONS:
        if known is catalogue:
            return lexicon
    made = Lexicon(catalogue)
    _LEXICONS.insert(0, (catalogue, made))
    del _LEXICONS[4:]
    return made
