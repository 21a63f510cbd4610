"""What linkage compares of a patient record: everything in normal form, and what of it is doubtful in itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from service.domain.person import (
    IdentifierKind,
    PatientFacts,
    PatientIdentifier,
    PersonIdentifier,
    identifier_kind,
    normalise_identifier,
    resident_birth_date,
    resident_sex,
)
from service.identity.forms.birth_dates import is_default_date
from service.identity.forms.names import Name, NameKind, read_name
from service.identity.forms.phones import read_phone

_NUMBER_LIKE = re.compile(r"\d{14,18}[\dX]?")


class Trait(StrEnum):
    """What may bring two records together to be compared. None of them links by itself."""

    NUMBER = "number"  # an identifier that names one person by law
    CARD = "card"  # health card, social security, insurance
    LOCAL = "local"  # the hospital's own patient number
    NAME_BIRTH = "name-birth"  # how the name sounds, and the birth date
    NAME_PHONE = "name-phone"
    PHONE_BIRTH = "phone-birth"
    PHONE = "phone"  # compared with nobody: tells how many share it


class Doubt(StrEnum):
    """Why a record's own statements cannot all be true."""

    BIRTH_DATE = "number-birth-date"  # its resident number states another birth date
    SEX = "number-sex"
    TWO_NUMBERS = "two-numbers"  # it states two valid numbers of one kind


@dataclass(frozen=True, slots=True)
class Profile:
    """A record as linkage sees it. `birth_date` is a full date, `partial_date` what there is of a shorter one. `sex`
    and, where `says_birth_date` is false, `birth_date` may be what the record's resident number states."""

    record: int
    institution: str
    names: tuple[Name, ...]
    birth_date: str | None
    says_birth_date: bool
    partial_date: str | None
    sex: str | None
    numbers: frozenset[PersonIdentifier]
    cards: frozenset[PersonIdentifier]
    broken: frozenset[str]  # what should be a resident number, and fails its check
    phones: frozenset[str]
    local_id: str
    active: bool
    doubts: frozenset[Doubt]

    @property
    def kind(self) -> NameKind:
        """The least trustworthy kind of its names: a newborn's or an unknown's is no name of a person."""
        kinds = {one.kind for one in self.names}
        return next((kind for kind in _BY_TRUST if kind in kinds), NameKind.NONE)

    @property
    def who(self) -> str:
        """Name and birth date, to count how many people share a phone or a number."""
        return f"{min((one.form for one in self.names), default='')}|{self.birth_date or ''}"

    def traits(self) -> frozenset[tuple[Trait, str]]:
        """The values under which it is found."""
        return frozenset(self._traits())

    def _traits(self) -> Iterator[tuple[Trait, str]]:
        for one in self.numbers:
            yield Trait.NUMBER, f"{one.kind}:{one.value}"
        for one in self.cards:
            yield Trait.CARD, f"{one.kind}:{one.value}"
        yield Trait.LOCAL, f"{self.institution}|{self.local_id}"
        sounds = {sound for one in self.names if one.kind in _SPOKEN for sound in one.pinyin}
        for sound in sounds:
            if self.birth_date:
                yield Trait.NAME_BIRTH, f"{sound}|{self.birth_date}"
            for phone in self.phones:
                yield Trait.NAME_PHONE, f"{sound}|{phone}"
        for phone in self.phones:
            yield Trait.PHONE, phone
            if self.birth_date:
                yield Trait.PHONE_BIRTH, f"{phone}|{self.birth_date}"


_BY_TRUST = (NameKind.UNIDENTIFIED, NameKind.NEWBORN, NameKind.DAMAGED, NameKind.PERSON)
_SPOKEN = frozenset({NameKind.PERSON, NameKind.NEWBORN})


def read_profile(record: int, institution: str, facts: PatientFacts) -> Profile:
    """The profile of what a source says of a patient."""
    valid = {one for given in facts.identifiers if (one := _person_identifier(given)) is not None}
    numbers = frozenset(one for one in valid if one.strong)
    residents = {one.value for one in numbers if one.kind is IdentifierKind.RESIDENT}
    stated = (facts.birth_date or "")[:10] or None
    if stated is not None and is_default_date(stated):
        stated = None
    sex = facts.sex if facts.sex in ("male", "female") else None
    doubts = frozenset(_doubts(numbers, residents, stated, sex))
    only = next(iter(residents)) if len(residents) == 1 else None
    says_date = stated is not None and len(stated) == 10
    names = dict.fromkeys(read_name(one) for one in facts.names)
    return Profile(
        record,
        institution,
        tuple(one for one in names if one.kind is not NameKind.NONE),
        stated if says_date else (resident_birth_date(only) if only and not stated else None),
        says_date,
        stated if stated and len(stated) < 10 else None,
        sex or (resident_sex(only) if only else None),
        numbers,
        frozenset(one for one in valid if not one.strong),
        frozenset(_broken(facts)),
        frozenset(phone for one in facts.phones if (phone := read_phone(one))),
        facts.local_id,
        facts.active,
        doubts,
    )


def _person_identifier(given: PatientIdentifier) -> PersonIdentifier | None:
    return normalise_identifier(given.system, given.value, given.type)


def _broken(facts: PatientFacts) -> Iterator[str]:
    for given in facts.identifiers:
        if identifier_kind(given.system, given.type) is IdentifierKind.RESIDENT and _person_identifier(given) is None:
            text = "".join(unicodedata.normalize("NFKC", given.value).split()).upper()
            if _NUMBER_LIKE.fullmatch(text) and len(set(text)) > 3:
                yield text


def _doubts(
    numbers: frozenset[PersonIdentifier], residents: set[str], birth_date: str | None, sex: str | None
) -> Iterator[Doubt]:
    kinds = [one.kind for one in numbers]
    if len(kinds) != len(set(kinds)):
        yield Doubt.TWO_NUMBERS
    for number in residents:
        if birth_date and not (resident_birth_date(number) or "").startswith(birth_date):
            yield Doubt.BIRTH_DATE
        if sex and resident_sex(number) not in (None, sex):
            yield Doubt.SEX
