"""What a source says of a person, and the normal forms in which two such statements are compared."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache


class IdentifierKind(StrEnum):
    """Kinds of person identifiers (domain research, section 6)."""

    RESIDENT = "resident"  # 居民身份证 GB 11643, and the 18-character permits that share its form and check
    PASSPORT = "passport"
    HK_MACAO = "hk-macao"  # 港澳居民来往内地通行证
    TAIWAN = "taiwan"  # 台湾居民来往大陆通行证
    OFFICER = "officer"  # 军官证
    BIRTH = "birth-certificate"  # 出生医学证明
    HEALTH_CARD = "health-card"
    SOCIAL_SECURITY = "social-security"
    INSURANCE = "insurance"

    @property
    def is_strong(self) -> bool:
        """Whether it names one person by law. Cards are look-ups: families share them, and they change hands."""
        return self not in (IdentifierKind.HEALTH_CARD, IdentifierKind.SOCIAL_SECURITY, IdentifierKind.INSURANCE)


@dataclass(frozen=True, slots=True)
class PersonIdentifier:
    """A valid identifier in its normal form; equality is the only comparison there is."""

    kind: IdentifierKind
    value: str

    @property
    def strong(self) -> bool:
        """As `IdentifierKind.is_strong`."""
        return self.kind.is_strong


@dataclass(frozen=True, slots=True)
class PatientIdentifier:
    """An identifier as the source gave it. `type` is the code of Identifier.type (v2-0203), "" when absent."""

    system: str
    value: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What a source says of one of its patients.

    `key` is the source's own key of the record: `Patient/123` for a FHIR resource, `mr|000123` for a DICOM
    PatientID. `local_id` is the hospital's patient number (identifier type MR), else the resource id. `names` holds
    every spelling given (family+given, given+family, text), none that is marked old. `birth_date` is as written
    (YYYY-MM-DD, maybe shorter); `sex` male, female, other, unknown or None.
    """

    key: str
    local_id: str
    names: tuple[str, ...] = ()
    birth_date: str | None = None
    sex: str | None = None
    identifiers: tuple[PatientIdentifier, ...] = ()
    phones: tuple[str, ...] = ()
    active: bool = True
    version_at: datetime | None = None
    rank: int = 0


_SYSTEMS = {
    "2.16.156.10011.1.3": IdentifierKind.RESIDENT,  # found in real WS/T 500 documents
    "2.16.840.1.113883.2.23.1.19.1": IdentifierKind.RESIDENT,  # HL7 China connectathon guide, core-patient
    "2.16.840.1.113883.2.23.1.19.2": IdentifierKind.SOCIAL_SECURITY,
    **{f"urn:testonce:identifier:{kind.value}": kind for kind in IdentifierKind},
}
_TYPES = {  # HL7 v2 table 0203
    "NNCHN": IdentifierKind.RESIDENT,
    "CIN": IdentifierKind.RESIDENT,  # 公民身份号码, the Chinese guides' addition to the table
    "PPN": IdentifierKind.PASSPORT,
    "MI": IdentifierKind.OFFICER,
    "BCT": IdentifierKind.BIRTH,
    "HC": IdentifierKind.HEALTH_CARD,
    "SS": IdentifierKind.SOCIAL_SECURITY,
    "MCN": IdentifierKind.INSURANCE,
}
_FORMS = {
    IdentifierKind.PASSPORT: re.compile(r"(?=(?:.*\d){4})[A-Z0-9]{5,12}"),
    IdentifierKind.HK_MACAO: re.compile(r"[HM]\d{8,10}"),
    IdentifierKind.TAIWAN: re.compile(r"\d{8}"),
    IdentifierKind.OFFICER: re.compile(r"(?=(?:.*\d){5}).{6,20}"),
    IdentifierKind.BIRTH: re.compile(r"[A-Z]\d{9}"),
}
_RESIDENT_SYSTEM = re.compile(r"(?:^|[/:#.])(?:id-?card|identity-?card|resident-?id|sfz|shenfenzheng)$")
_CARD = re.compile(r"(?=(?:.*\d){6})[A-Z0-9]{8,64}")


def identifier_kind(system: str, type_code: str = "") -> IdentifierKind | None:
    """The kind of person identifier that system or type (v2-0203) announce; None: neither does."""
    kind = _SYSTEMS.get(system.strip().removeprefix("urn:oid:")) or _TYPES.get(type_code.upper())
    if kind is None and "passport" in system.casefold():  # http://hl7.org/fhir/sid/passport-CHN and the like
        return IdentifierKind.PASSPORT
    return kind


@lru_cache(256)  # one question asks this of the same few identifiers again and again
def normalise_identifier(system: str, value: str, type_code: str = "") -> PersonIdentifier | None:
    """The person identifier in its normal form, or None when it is none: a local number, a placeholder, or one whose
    check character fails. NFKC, no blanks, upper case; a 15-digit resident number becomes its 18-digit form."""
    kind = identifier_kind(system, type_code)
    text = "".join(unicodedata.normalize("NFKC", value).split()).upper()
    maybe = type_code.upper() == "NI" or _RESIDENT_SYSTEM.search(system.strip().casefold())
    if kind is None and maybe and is_resident_number(expand_resident_number(text)):
        kind = IdentifierKind.RESIDENT
    if kind is None or _is_placeholder(text):
        return None
    if kind is IdentifierKind.RESIDENT:
        text = expand_resident_number(text)
        return PersonIdentifier(kind, text) if is_resident_number(text) else None
    return PersonIdentifier(kind, text) if _FORMS.get(kind, _CARD).fullmatch(text) else None


def is_local_number(system: str, value: str, type_code: str = "") -> bool:
    """Whether this can be a hospital's own number of a patient: not what should be a person identifier and fails as
    one (the same typing error or 无 in two records names nobody), nor a placeholder."""
    if system.strip().removeprefix("urn:oid:") in _SYSTEMS or type_code.upper() in {*_TYPES, "NI"}:
        return False
    text = "".join(unicodedata.normalize("NFKC", value).split()).upper()
    return text not in _NO_NUMBER and text.strip("0") != "" and any(ch.isalnum() for ch in text)


_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def resident_check(body: str) -> str:
    """The check character of 17 digits (GB 11643-1999, ISO 7064 MOD 11-2)."""
    return "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


def expand_resident_number(text: str) -> str:
    """A 15-digit number as the 18-digit one of the same person; anything else unchanged."""
    if len(text) == 15 and text.isascii() and text.isdigit():
        body = f"{text[:6]}19{text[6:]}"
        return body + resident_check(body)
    return text


def is_resident_number(text: str) -> bool:
    """Whether the 18 characters have a calendar date and a fitting check character. The region is not judged:
    abolished codes stay valid on the cards that carry them."""
    body = text[:17]
    if len(text) != 18 or not (body.isascii() and body.isdigit()) or body[0] == "0":
        return False
    return resident_birth_date(text) is not None and text[17] == resident_check(body)


def resident_birth_date(text: str) -> str | None:
    """The birth date in a resident number, YYYY-MM-DD; None when it is no date."""
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return None
    return born.isoformat() if born.year >= 1850 else None


def resident_sex(text: str) -> str | None:
    """The sex in a resident number (odd sequence: male); None for the permanent residence card, which starts with 9."""
    if text.startswith("9"):
        return None
    return "male" if int(text[16]) % 2 else "female"


_NO_NUMBER = frozenset({"UNKNOWN", "NONE", "NULL", "N/A", "NA", "无", "不详", "未知", "未带", "没有"})


def _is_placeholder(text: str) -> bool:
    digits = text[:-1] if len(text) > 6 else text
    return (
        len(set(digits)) <= 1
        or text in _NO_NUMBER
        or digits in "0123456789012345678901234567890"
        or digits in "9876543210987654321098765432109"
    )


def has_han(name: str) -> bool:
    """Whether a name is written (partly) in Chinese characters. One in Latin letters only cannot be compared to it."""
    return any("\u3400" <= ch <= "\u9fff" or "\U00020000" <= ch <= "\U0003ffff" or ch == "〇" for ch in name)
