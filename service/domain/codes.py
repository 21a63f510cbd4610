"""Codes of the code systems the registry speaks, checked when made."""

from __future__ import annotations

from typing import NamedTuple

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
SNOMED_CT = "http://snomed.info/sct"
DICOM_DCM = "http://dicom.nema.org/resources/ontology/DCM"
TESTONCE_ITEM = "urn:testonce:item"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CRITICAL = frozenset({"HH", "LL", "AA"})
"""Flags of values that need a clinician at once (v3-ObservationInterpretation)."""


class Code(NamedTuple):
    """A code in a system. A bare code (`system` is "") never equals the same code of a system."""

    system: str
    code: str
    display: str = ""


def is_loinc(text: str) -> bool:
    """Whether `text` is a LOINC code whose Mod 10 check digit fits (LOINC Users' Guide, appendix C)."""
    body, dash, check = text.rpartition("-")
    if not dash or not (body.isascii() and body.isdigit() and len(check) == 1 and check.isascii() and check.isdigit()):
        return False
    digits = [int(ch) for ch in reversed(body)]
    doubled = str(int("".join(str(d) for d in reversed(digits[0::2]))) * 2)
    total = sum(int(ch) for ch in doubled) + sum(digits[1::2])
    return (10 - total % 10) % 10 == int(check)


_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def is_uscc(text: str) -> bool:
    """Whether `text` is a 统一社会信用代码 whose check character fits (GB 32100-2015)."""
    if len(text) != 18 or any(ch not in _USCC_ALPHABET for ch in text):
        return False
    total = sum(_USCC_ALPHABET.index(ch) * pow(3, i, 31) for i, ch in enumerate(text[:17]))
    return _USCC_ALPHABET[(31 - total % 31) % 31] == text[17]


def is_gb_region(text: str) -> bool:
    """Whether `text` has the form of a GB/T 2260 code: six digits, not ending a province in a county."""
    return len(text) == 6 and text.isascii() and text.isdigit() and "11" <= text[:2] <= "82"


def region_covers(scope: str, code: str) -> bool:
    """Whether the GB/T 2260 code `code` lies under `scope`: `220000` every 22xxxx, `220200` every 2202xx."""
    if scope.endswith("0000"):
        return code[:2] == scope[:2]
    if scope.endswith("00"):
        return code[:4] == scope[:4]
    return code == scope


NO_IMAGE_MODALITIES = frozenset({
    "SR", "PR", "KO", "SEG", "DOC", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "RTSEGANN", "RTINTENT", "FID",
    "PLAN", "AU", "RWV", "ASMT", "SMR", "TEXTUREMAP", "STAIN", "XAPROTOCOL", "CTPROTOCOL", "ANN",
})  # fmt: skip
"""Modalities (PS3.3 C.7.3.1.1.1) of reports, presentation states, segmentations, plans: no images to reuse."""
