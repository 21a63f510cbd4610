"""QIDO-RS questions (PS3.18 8.3.4, 10.6): strict, for what is not understood would be answered too widely."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.domain.errors import Fault, InvalidInput
from service.ingest.archive import is_exact, is_uid
from service.retrieval.search import Wanted

_KEYWORDS = {
    "0020000D": "StudyInstanceUID", "00100020": "PatientID", "00080050": "AccessionNumber",
    "00080020": "StudyDate", "00080061": "ModalitiesInStudy", "00080060": "Modality",
    "0020000E": "SeriesInstanceUID", "00080018": "SOPInstanceUID",
}  # fmt: skip
_KNOWN = frozenset({*_KEYWORDS.values(), "limit", "offset"})
_TOLERATED = frozenset({"includefield", "fuzzymatching", "decision", "accept", "charset"})
_DATE = re.compile(r"[0-9]{8}")
_MOST = 1000
_MOST_UIDS = 50
_NEEDED = "one of StudyInstanceUID, PatientID, AccessionNumber is needed: nobody lists all studies"


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for, and of what is found which rows and which part of them. `dates`: from, to (YYYYMMDD, "");
    `modalities`: the study has each of them; `modality`: that of the series."""

    wanted: Wanted
    dates: tuple[str, str] = ("", "")
    modalities: frozenset[str] = frozenset()
    modality: str = ""
    series_uids: frozenset[str] = frozenset()
    sop_uids: frozenset[str] = frozenset()
    limit: int = _MOST
    offset: int = 0


@dataclass(slots=True)
class _Reading:
    faults: list[Fault] = field(default_factory=list)

    def fault(self, name: str, message: str) -> None:
        self.faults.append(Fault(f"query {name}", message))

    def check(self, name: str, value: str, is_good: Callable[[str], bool], expected: str) -> str:
        if not is_good(value):
            self.fault(name, expected)
        return value


def read_question(query: Sequence[tuple[str, str]], study_uid: str = "", series_uid: str = "") -> Question:
    """The question of a query string, with the UIDs of the path. InvalidInput with each fault: a key that is unknown
    here, given twice or contradicts the path, a wildcard or list where one value is meant, no key at all that names a
    study."""
    reading = _Reading()
    given: dict[str, str] = {}
    for name, value in query:
        keyword = _KEYWORDS.get(name.upper(), name)
        if keyword in _KNOWN:
            if keyword in given:
                reading.fault(name, "given twice")
            given[keyword] = value
        elif name not in _TOLERATED:
            reading.fault(name, f"not a key of this search; known are {', '.join(sorted(_KNOWN))}")
    question = _question(reading, given, study_uid, series_uid)
    if reading.faults:
        raise InvalidInput("the search cannot be made", reading.faults)
    return question


def _question(reading: _Reading, given: dict[str, str], study_uid: str, series_uid: str) -> Question:
    uids: dict[str, tuple[str, ...]] = {
        name: _uids(reading, name, given[name])
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        if name in given
    }
    keys = {
        name: reading.check(name, given[name].strip(), is_exact, "one exact value, without wildcards")
        for name in ("PatientID", "AccessionNumber")
        if name in given
    }
    for name, of_path in (("StudyInstanceUID", study_uid), ("SeriesInstanceUID", series_uid)):
        if of_path and uids.setdefault(name, (of_path,)) != (of_path,):
            reading.fault(name, "the path names another")
    studies = uids.get("StudyInstanceUID", ())
    if not (studies or keys) and not reading.faults:
        reading.fault("", _NEEDED)
    modalities = {given[name].strip().upper() for name in ("ModalitiesInStudy", "Modality") if given.get(name)}
    for one in modalities:
        reading.check("Modality", one, lambda text: re.fullmatch(r"[A-Z0-9_]{1,16}", text) is not None, "one modality")
    return Question(
        Wanted(studies, keys.get("PatientID", ""), keys.get("AccessionNumber", "")),
        _dates(reading, given.get("StudyDate", "")),
        frozenset(modalities),
        given.get("Modality", "").strip().upper(),
        frozenset(uids.get("SeriesInstanceUID", ())),
        frozenset(uids.get("SOPInstanceUID", ())),
        min(_whole(reading, given, "limit", _MOST), _MOST),
        _whole(reading, given, "offset", 0),
    )


def _whole(reading: _Reading, given: dict[str, str], name: str, default: int) -> int:
    text = reading.check(
        name,
        given.get(name, str(default)),
        lambda text: re.fullmatch(r"[0-9]{1,9}", text) is not None,
        "a whole number",
    )
    return int(text) if text.isascii() and text.isdigit() else default


def _uids(reading: _Reading, name: str, text: str) -> tuple[str, ...]:
    """A list of UIDs, apart at `,` or `\\` (PS3.18 8.3.4.1)."""
    found = tuple(dict.fromkeys(one.strip() for one in re.split(r"[,\\]", text)))
    if len(found) > _MOST_UIDS or not all(map(is_uid, found)):
        reading.fault(name, f"at most {_MOST_UIDS} UIDs, without wildcards")
    return found


def _dates(reading: _Reading, text: str) -> tuple[str, str]:
    """A day, or a range of days `from-to` with one end open (PS3.4 C.2.2.2.5)."""
    first, dash, last = text.strip().partition("-")
    if not dash:
        last = first
    if any(one and not _DATE.fullmatch(one) for one in (first, last)) or (text and not (first or last)):
        reading.fault("StudyDate", "a day YYYYMMDD, or a range YYYYMMDD-YYYYMMDD with one end open")
    return first, last
