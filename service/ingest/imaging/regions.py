"""Whether two namings of a body region agree, and which of them to believe.

BodyPartExamined follows the protocol chosen at the console: some 15% of values are wrong (Güld 2002) and many more
are coarse. So it is held against the words; a contradiction is for a person to look at.
"""

from __future__ import annotations

from service.domain.catalogue import Catalogue
from service.domain.codes import SNOMED_CT, Code
from service.ingest.imaging.lexicon import fold, lexicon_of, upper
from service.ingest.imaging.limbs import LIMB_PARTS
from service.ingest.imaging.words import read_words

_SYSTEMS = {
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT, "SCT": SNOMED_CT, "http://snomed.info/srt": "SRT",
    "urn:oid:2.16.840.1.113883.6.99": "SRT", "SNM3": "SRT", "99SDM": "SRT",
}  # fmt: skip

_HEAD = "SINUS NOSE NASOPHARYNX EAR IAC MASTOID ORBIT EYE SELLA FACE MANDIBLE MAXILLA JAW TMJ TOOTH SKULL"
_INSIDE = {
    region: frozenset(organs.split())
    for region, organs in {
        "HEAD": _HEAD,
        "SKULL": f"{_HEAD} HEAD BRAIN",
        "BRAIN": "SELLA IAC",
        "NECK": "THYROID PARATHYROID CAROTID VERTEBRALA LARYNX PHARYNX NASOPHARYNX PAROTID SUBMANDIBULAR CSPINE",
        "CHEST": "LUNG MEDIASTINUM HEART CORONARYARTERY AORTA THORACICAORTA PULMONARYA RIB STERNUM BREAST ESOPHAGUS "
        "TRACHEA BRONCHUS AXILLA CLAVICLE SCAPULA SCJOINT",
        "HEART": "CORONARYARTERY",
        "LUNG": "CHEST",
        "CORONARYARTERY": "HEART",
        "ABDOMEN": "LIVER GALLBLADDER BILEDUCT PANCREAS SPLEEN KIDNEY URETER ADRENAL STOMACH SMALLINTESTINE COLON "
        "AORTA ABDOMINALAORTA RENALA RETROPERITONEUM",
        "PELVIS": "BLADDER PROSTATE UTERUS OVARY RECTUM ANUS SIJOINT SSPINE COCCYX HIP",
        "UPPERARM": "HUMERUS",
        "FOREARM": "RADIUS ULNA",
        "THIGH": "FEMUR",
        "LOWERLEG": "TIBIA FIBULA",
    }.items()
} | LIMB_PARTS
"""What a coarse region may stand for in a header; also LUNG for CHEST, for a lung protocol images the chest. For
agreement only: what an exam *covers* is the catalogue's `contains`."""


_LOOSELY = {
    "LEG": LIMB_PARTS["LOWERLIMB"] | {"LOWERLIMB"}, "ARM": LIMB_PARTS["UPPERLIMB"] | {"UPPERLIMB"},
    "ABDOMEN": frozenset({"LOWERABDOMEN"}), "CHEST": frozenset({"TSPINE"}),
}  # fmt: skip
"""What a BodyPartExamined of this text is used for besides what it says: consoles offer few protocols."""


def may_mean(body_part: str, region: str) -> bool:
    """Whether a console set to this body part is often used for the region, so that the two are no contradiction."""
    return region in _LOOSELY.get(upper(fold(body_part)), ())


def find_regions(codes: tuple[Code, ...], text: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The regions a series' body site names: by code, else by the codes' display, else by the text."""
    for code in codes:
        if region := catalogue.find_region(_SYSTEMS.get(code.system, code.system), code.code):
            return (region,)
    for words in (*(code.display for code in codes), text):
        if regions := _named(words, catalogue):
            return regions
    return ()


def _named(words: str, catalogue: Catalogue) -> tuple[str, ...]:
    exact = lexicon_of(catalogue).entries.get(upper(fold(words)), ())
    regions = tuple(value for kind, value in exact if kind == "region")
    return regions or read_words(words, catalogue).regions


def are_related(one: str, other: str, catalogue: Catalogue) -> bool:
    """Whether two namings may mean one exam: they overlap, or one is an organ inside the other."""
    covered, others = catalogue.covered_regions(one), catalogue.covered_regions(other)
    return bool(covered & others) or _is_inside(other, covered) or _is_inside(one, others)


def agreed(site: str, named: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The region both a series' body site and the exam's name vouch for: the narrower of the two; () when the name is
    wider than an organ's body site (the field of view may be the organ's), or when they have nothing in common."""
    covered, others = catalogue.covered_regions(site), catalogue.covered_regions(named)
    if site in others:
        return (site,)
    if named in covered or _is_inside(named, covered):
        return (named,)
    return tuple(one for one in catalogue.parts_of(site) if one in others)


def _is_inside(organ: str, regions: frozenset[str]) -> bool:
    return any(organ in _INSIDE.get(region, ()) for region in regions)
