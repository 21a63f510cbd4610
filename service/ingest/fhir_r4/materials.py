"""What a specimen is of: blood, urine, stool… A code that a laboratory uses for every material (GLU of blood and of
cerebrospinal fluid) must not make a result of one pass for the other's item.

Serum, plasma and whole blood are all blood here: which of them a result is of is its code's business. What is not
surely told, or is several at once, is not compared.
"""

from __future__ import annotations

import re
from functools import lru_cache

from service.ingest.fhir_r4.shapes import Concepts, concepts

_CODES = {
    **dict.fromkeys(("119297000", "119361006", "119364003", "122555007", "122552005", "258580003"), "blood"),
    **dict.fromkeys(("BLD", "BLDA", "BLDC", "BLDCO", "BLDV", "PLAS", "SER", "WB"), "blood"),
    **dict.fromkeys(("122575003", "UR", "URC", "URNS", "URT", "RANDU"), "urine"),
    **dict.fromkeys(("119339001", "STL"), "stool"),
    **dict.fromkeys(("258450006", "CSF"), "csf"),
    **dict.fromkeys(("119334006", "SPT"), "sputum"),
    **dict.fromkeys(("119342007", "SAL"), "saliva"),
    **dict.fromkeys(("418564007", "309201001", "119332005", "PLR", "PRT", "SNV"), "fluid"),
}
"""SNOMED CT specimen types and HL7 v2 table 0487."""

_WORDS = (
    ("blood", r"血清|血浆|全血|静脉血|动脉血|末梢血|指血|脐血|\b(?:blood|serum|plasma)\b"),
    ("urine", r"尿|\burine\b"),
    ("stool", r"粪|大便|\bstool\b|\bfa?ec(?:es|al)\b"),
    ("csf", r"脑脊液|cerebrospinal|\bcsf\b"),
    ("sputum", r"痰|\bsputum\b"),
    ("saliva", r"唾液|\bsaliva\b"),
    ("fluid", r"胸水|腹水|积液|关节液|滑液|羊水|\b(?:pleural|peritoneal|ascit\w+|synovial|amniotic|pericardial)\b"),
)
_PATTERNS = tuple((material, re.compile(words, re.IGNORECASE)) for material, words in _WORDS)


def material_of(given: Concepts) -> str | None:
    """The material that Specimen.type names; None when it names none surely."""
    types = concepts(given)
    codings = [one for concept in types for one in concept.codings]
    words = material_of_words(" ; ".join([*(one.text or "" for one in types), *(one.display or "" for one in codings)]))
    told = {_CODES[code] for one in codings if (code := (one.code or "").strip().upper()) in _CODES}
    if words is not None:
        told.add(words)
    return told.pop() if len(told) == 1 else None


@lru_cache(maxsize=1024)
def material_of_words(text: str) -> str | None:
    """The one material that words name, zh or en: those of a source, or of a catalogue item's specimen."""
    found = {material for material, words in _PATTERNS if words.search(text)}
    return found.pop() if len(found) == 1 else None
