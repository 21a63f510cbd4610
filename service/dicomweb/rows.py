"""Answers of QIDO-RS as DICOM JSON (PS3.18 F.2; the attributes of 10.6.3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from service.dicomweb.questions import Question
from service.domain.person import PatientFacts
from service.ingest.archive import HeldInstance
from service.ingest.port import SeriesFacts
from service.retrieval.search import FoundStudy, KnownStudy

Row = dict[str, dict[str, Any]]
_FIRST_HAN = "\u3400"
_SEX = {"male": "M", "female": "F", "other": "O"}


class Rows:
    """Makes rows; `base` is the address of the DICOMweb root, `zone` that of times that are given."""

    def __init__(self, base: str, zone: ZoneInfo) -> None:
        self._base = base
        self._zone = zone

    def studies(self, found: Iterable[FoundStudy], question: Question) -> list[Row]:
        """A row for each study that fits the question's dates and modalities."""
        rows = ((one, self.study(one)) for one in found)
        return [row for one, row in rows if _fits(one, row, question)]

    def study(self, one: FoundStudy) -> Row:
        """Study and patient attributes."""
        day, time = self._started(one)
        modalities = sorted({text for series in one.series if (text := str(series.facts.get("Modality") or ""))})
        return {
            **_value("00080020", "DA", day),
            **_value("00080030", "TM", time),
            **_value("00080050", "SH", one.fact("AccessionNumber")),
            **_value("00080056", "CS", one.availability),
            **_value("00080061", "CS", *modalities),
            **_value("00081030", "LO", one.fact("StudyDescription")),
            **self._retrieved(one),
            **_patient(one.fact("PatientID"), one.at.institution, one.patient),
            **_value("0020000D", "UI", one.at.study_uid),
            **_value("00201206", "IS", len({series.series_uid for series in one.series})),
            **_value("00201208", "IS", sum(series.instances for series in one.series)),
        }

    def series(self, one: FoundStudy, question: Question) -> list[Row]:
        """A row for each series that fits, of a study that does; one series may have stood in several groups of
        headers."""
        if not self.studies([one], question):
            return []
        groups: dict[str, list[SeriesFacts]] = {}
        for series in one.series:
            groups.setdefault(series.series_uid, []).append(series)
        rows = [self._series(one, uid, members) for uid, members in sorted(groups.items())]
        return [
            row
            for row in rows
            if (not question.series_uids or row["0020000E"]["Value"][0] in question.series_uids)
            and question.modality in ("", row["00080060"].get("Value", [""])[0])
        ]

    def _series(self, one: FoundStudy, uid: str, members: Sequence[SeriesFacts]) -> Row:
        facts = members[0].facts
        return {
            **_value("00080060", "CS", str(facts.get("Modality") or "")),
            **_value("0008103E", "LO", str(facts.get("SeriesDescription") or "")),
            **_value("00180015", "CS", str(facts.get("BodyPartExamined") or "")),
            **self._retrieved(one, f"/series/{uid}"),
            **_value("0020000D", "UI", one.at.study_uid),
            **_value("0020000E", "UI", uid),
            **_value("00201209", "IS", sum(member.instances for member in members)),
        }

    def _retrieved(self, one: FoundStudy, below: str = "") -> Row:
        """Where it is retrieved; of what cannot be had nothing is said."""
        place = f"{self._base}/studies/{one.at.study_uid}{below}"
        return {} if isinstance(one.at, KnownStudy) else _value("00081190", "UR", place)

    def instance(self, study_uid: str, series_uid: str, one: HeldInstance) -> Row:
        """An instance as its archive lists it."""
        place = f"{self._base}/studies/{study_uid}/series/{series_uid}/instances/{one.sop_uid}"
        return {
            **_value("00080016", "UI", one.sop_class),
            **_value("00080018", "UI", one.sop_uid),
            **_value("00081190", "UR", place),
            **_value("0020000D", "UI", study_uid),
            **_value("0020000E", "UI", series_uid),
            **_value("00200013", "IS", one.number),
            **_value("00280008", "IS", one.frames if one.frames > 1 else None),
            **_value("00280010", "US", one.rows),
            **_value("00280011", "US", one.columns),
        }

    def _started(self, one: FoundStudy) -> tuple[str, str]:
        """Day and time as far as they are known, in the network's zone."""
        said = sorted(text for series in one.series if (text := str(series.facts.get("started") or "")))
        if not said:
            return "", ""
        if len(said[0]) == 10:
            return said[0].replace("-", ""), ""
        at = datetime.fromisoformat(said[0])
        local = at.astimezone(self._zone) if at.tzinfo else at
        return local.strftime("%Y%m%d"), local.strftime("%H%M%S")


def _patient(patient_id: str, issuer: str, facts: PatientFacts | None) -> Row:
    """Who it is, as the hospital that holds the images says; it is the issuer of the number."""
    name = person_name(facts.names) if facts else None
    birth = (facts.birth_date or "").replace("-", "") if facts else ""
    sex = _SEX.get(facts.sex or "", "") if facts else ""
    return {
        **_value("00100010", "PN", name),
        **_value("00100020", "LO", patient_id),
        **_value("00100021", "LO", issuer),
        **_value("00100030", "DA", birth if len(birth) == 8 else ""),
        **_value("00100040", "CS", sex),
    }


def person_name(names: Sequence[str]) -> dict[str, str] | None:
    """A PN value (PS3.18 F.2.2) of a patient's spellings: Latin letters and Chinese characters in their groups (PS3.5
    6.2.1.2). A name known in one writing stands in the first group, which is what most viewers show."""
    chinese = [one for one in names if any(ch >= _FIRST_HAN for ch in one)]
    latin = [one for one in names if one not in chinese]
    if latin and chinese:
        return {"Alphabetic": latin[0], "Ideographic": chinese[0]}
    return {"Alphabetic": names[0]} if names else None


def _value(tag: str, vr: str, *values: Any) -> Row:
    """An attribute; without a value where there is none (F.2.5)."""
    said = [one for one in values if one not in ("", None)]
    return {tag: {"vr": vr, "Value": said} if said else {"vr": vr}}


def _fits(one: FoundStudy, row: Row, question: Question) -> bool:
    first, last = question.dates
    day = row["00080020"].get("Value", [""])[0]
    if (first and day < first) or (last and not "" < day <= last):
        return False
    modalities = {str(series.facts.get("Modality") or "") for series in one.series}
    return question.modalities <= modalities
