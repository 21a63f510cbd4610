"""What a source says of an imaging exam, before it is resolved: the exam as a whole, and each series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.domain.codes import NO_IMAGE_MODALITIES, Code

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_NO_IMAGE_SOP = ("1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.11.", "1.2.840.10008.5.1.4.1.1.104.")
_DOSE_PAGE = re.compile(r"dose|protocol|screen ?sav|剂量|report", re.IGNORECASE)
_NO_AGENT = re.compile(
    r"\W*(?:0|N|NO|NA|N/A|NIL|NULL|NONE|NOT\b.*|WITHOUT\b.*|W/?O\b.*|NON.?CONTRAST.*|PLAIN|UNENHANCED|NATIVE|UNKNOWN|"
    r"WATER|AIR|BARIUM.*|(?:PO|ORAL|RECTAL)\b(?!.*(?:\bIV\b|INTRAVEN)).*|无.*|否|未.*|不.*|平扫.*|口服(?!.*静脉).*|水|空气|钡.*)?\W*"
)
"""What stands in ContrastBolusAgent where nothing was injected; an agent swallowed enhances nothing."""

_NOT_INJECTED = re.compile(r"\W*(?:PO|ORAL\w*|RECTAL\w*|口服|经口|直肠)\W*")
_LOCALIZER = re.compile(r"locali[sz]er|scout|topogram|surview|survey|定位", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PartFacts:
    """One series as its source describes it; "" or None is not said.

    `body_site` are codes of its body site, `body_part` its text (BodyPartExamined); `laterality` a code or a word;
    `contrast_agent` the agent injected; `descriptions` the series' own words. `is_image` is False for what shows no
    patient (reports, dose pages), `is_localizer` True for a scout. `procedure_codes`, `procedure_words` and
    `study_words` are what a DICOM header repeats in every series of its study.
    """

    modality: str = ""
    body_site: tuple[Code, ...] = ()
    body_part: str = ""
    laterality: str = ""
    contrast_agent: str | None = None
    descriptions: tuple[str, ...] = ()
    is_image: bool = True
    is_localizer: bool = False
    procedure_codes: tuple[Code, ...] = ()
    procedure_words: tuple[str, ...] = ()
    study_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExamFacts:
    """An exam as its source describes it: codes of the report or procedure; the words of procedure code, description
    and report (contract, section 3), several texts apart by " ; "; and its series."""

    codes: tuple[Code, ...] = ()
    procedure_words: str = ""
    description_words: str = ""
    report_words: str = ""
    parts: tuple[PartFacts, ...] = ()


def part_facts_of(facts: Mapping[str, object]) -> PartFacts:
    """The series facts in what `service.ingest.dicom.header` makes of a header (it goes through JSON storage)."""
    image_type = [str(one).upper() for one in _list(facts, "ImageType")]
    descriptions = tuple(text for key in ("SeriesDescription", "ProtocolName") if (text := _text(facts, key)))
    modality = _text(facts, "Modality").upper()
    sop_class = _text(facts, "SOPClassUID")
    codes = [*_codes(facts, "RequestedProcedureCodeSequence"), *_codes(facts, "ProcedureCodeSequence")]
    procedures = [_text(facts, "RequestedProcedureDescription"), *(one.display for one in codes)]
    studies = [_text(facts, "StudyDescription"), _text(facts, "PerformedProcedureStepDescription")]
    dose_page = (sop_class.startswith(_SECONDARY_CAPTURE) or "SCREEN SAVE" in image_type) and any(
        _DOSE_PAGE.search(one) for one in descriptions
    )
    return PartFacts(
        modality=modality,
        body_site=tuple(_codes(facts, "AnatomicRegionSequence")),
        body_part=_text(facts, "BodyPartExamined"),
        laterality=_text(facts, "Laterality"),
        contrast_agent=_agent(facts),
        descriptions=descriptions,
        is_image=modality not in NO_IMAGE_MODALITIES and not sop_class.startswith(_NO_IMAGE_SOP) and not dose_page,
        is_localizer="LOCALIZER" in image_type or any(_LOCALIZER.search(one) for one in descriptions[:1]),
        procedure_codes=tuple(dict.fromkeys(codes)),
        procedure_words=tuple(dict.fromkeys(one for one in procedures if one)),
        study_words=tuple(dict.fromkeys(one for one in studies if one)),
    )


def is_image_modality(modality: str) -> bool:
    """Whether a series of this modality shows the patient."""
    return modality.upper() not in NO_IMAGE_MODALITIES


def _agent(facts: Mapping[str, object]) -> str | None:
    agent = _text(facts, "ContrastBolusAgent")
    route = _text(facts, "ContrastBolusRoute").upper()
    return None if _NO_AGENT.fullmatch(agent.upper()) or _NOT_INJECTED.fullmatch(route) else agent


def _text(facts: Mapping[str, object], key: str) -> str:
    value = facts.get(key)
    return value.strip() if isinstance(value, str) else ""


def _list(facts: Mapping[str, object], key: str) -> list[object]:
    value = facts.get(key)
    return list(value) if isinstance(value, list | tuple) else []


def _codes(facts: Mapping[str, object], key: str) -> Iterable[Code]:
    for one in _list(facts, key):
        if isinstance(one, list | tuple) and len(one) == 3:
            yield Code(str(one[0]), str(one[1]), str(one[2]))
