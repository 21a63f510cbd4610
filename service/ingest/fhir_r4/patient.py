"""FHIR R4 Patient and Consent to the facts that identity and disclosure need."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from service.domain.person import identifier_kind
from service.domain.times import When
from service.ingest.fhir_r4.shapes import Consent, ContactPoint, HumanName, Identifier, Patient, Provision
from service.ingest.fhir_r4.values import Context, version_of
from service.ingest.fhir_r4.view import Newest, View
from service.ingest.port import ConsentFacts, PatientFacts, PatientIdentifier

_SEXES = {"male": "male", "female": "female", "other": "other", "unknown": "unknown", "m": "male", "f": "female"}


def read_patient(at: Newest, patient: Patient, context: Context) -> PatientFacts:
    """A Patient resource as facts. `local_id` is the identifier of type MR (v2-0203), else the resource id."""
    identifiers = tuple(filter(None, map(_identifier, patient.identifier or ())))
    own = next((one.value for one in identifiers if one.type == "MR"), at.ref.partition("/")[2])
    version = version_of(patient, None, context)
    return PatientFacts(
        key=at.ref,
        local_id=own,
        names=tuple(dict.fromkeys(name for given in patient.name or () for name in _spellings(given))),
        birth_date=patient.birthDate,
        sex=_SEXES.get((patient.gender or "").strip().casefold()),
        identifiers=identifiers,
        phones=tuple(dict.fromkeys(one for given in patient.telecom or () if (one := _phone(given)))),
        active=patient.active is not False,
        version_at=version.start if version else None,
    )


def known_by_identifier(key: str, given: Identifier) -> PatientFacts:
    """A patient of whom only an identifier is told (a logical reference)."""
    value = (given.value or "").strip()
    kind = _type_code(given)
    return PatientFacts(
        key=key,
        local_id=value if kind == "MR" else key,
        identifiers=(PatientIdentifier((given.system or "").strip(), value, kind),),
    )


def _identifier(given: Identifier) -> PatientIdentifier | None:
    value = (given.value or "").strip()
    if not value or given.use == "old":
        return None
    return PatientIdentifier((given.system or "").strip(), value, _type_code(given))


_WORDS = (
    ("身份证", "NNCHN"), ("公民身份", "NNCHN"), ("护照", "PPN"), ("军官证", "MI"), ("出生医学证明", "BCT"),
    ("健康卡", "HC"), ("社保卡", "SS"), ("社会保障卡", "SS"),
)  # fmt: skip


def _type_code(given: Identifier) -> str:
    """The code of the type that says whose number it is, "" when there is no type: one of v2-0203 wherever it stands
    among others, else what the words mean, else the first code. Many systems write a local code and 居民身份证."""
    if given.type is None:
        return ""
    table = [one.code for one in given.type.codings if one.code and (one.system or "").casefold().endswith("0203")]
    codes = [*table, *(one.code for one in given.type.codings if one.code)]
    telling = (code for code in codes if code in ("MR", "NI") or identifier_kind("", code))
    words = [text.strip() for text in (given.type.text, *(one.display for one in given.type.codings)) if text]
    meant = (code for text in words for word, code in _WORDS if text.removeprefix("居民").rstrip("号码") == word)
    return next(telling, None) or next(meant, None) or next(iter(codes), "")


def _phone(given: ContactPoint) -> str | None:
    value = (given.value or "").strip()
    return value if value and given.system in ("phone", "sms", None) and given.use != "old" else None


def _spellings(name: HumanName) -> Iterator[str]:
    """Every way the name may be written: text, family before and after given; Chinese without a blank. Names no longer
    borne, pet names (毛毛) and those that hide the person (anonymous) are none."""
    if name.use in ("old", "nickname", "anonymous"):
        return
    if name.text and name.text.strip():
        yield name.text.strip()
    family = name.family if isinstance(name.family, list) else [name.family]
    families = [one.strip() for one in family if one and one.strip()]
    given = [one.strip() for one in name.given or () if one and one.strip()]
    if not families:
        return
    if any(_is_han(one) for one in (*families, *given)):
        yield "".join([*families, *given])
        return
    for first, second in ((families, given), (given, families)) if given else ((families, given),):
        yield " ".join([*first, *second])
    if len(given) > 1:  # a middle name is often left out elsewhere
        for first, second in product((families,), ([given[0]],)):
            yield " ".join([*first, *second])
            yield " ".join([*second, *first])


def _is_han(text: str) -> bool:
    return any("\u3400" <= ch <= "\u9fff" or ch >= "\U00020000" for ch in text)


def read_consent(view: View, at: Newest, consent: Consent, context: Context) -> ConsentFacts | None:
    """A Consent as facts, None when it names no patient.

    An active Consent denies when any provision of it denies (R4 `provision.type`, nested too; R5 `decision`): a
    refusal that covers part of the data is read as one of all. Its period is the denying provision's; where several
    deny, from the first start to the last end. An unreadable end never ends a refusal."""
    key = view.key(at, consent.patient or consent.subject, "Patient")
    if key is None:
        return None
    given = consent.provision if isinstance(consent.provision, list) else [consent.provision]
    denying = [one for root in given if root for one in _denying(root, consent.decision == "deny")]
    denies = consent.status == "active" and bool(denying or consent.decision == "deny")
    periods = [one.period or (consent.period if consent.decision else None) for one in denying] or [consent.period]
    starts = [context.when(one.start) if one else None for one in periods]
    ends = [context.when(one.end) if one else None for one in periods]
    first, last = _all(starts), _all(ends)
    return ConsentFacts(
        ref=at.ref,
        patient_key=key,
        denies=denies,
        from_at=min(one.start for one in first) if denies and first else None,
        to_at=max(one.end for one in last) if denies and last else None,
    )


def _all(times: list[When | None]) -> list[When]:
    known = [one for one in times if one is not None]
    return known if len(known) == len(times) else []


def _denying(provision: Provision, inherited: bool) -> Iterator[Provision]:
    """The provisions that deny. One without a period of its own stands as long as the one around it."""
    if provision.type == "deny" or (inherited and provision.type is None and not provision.provision):
        yield provision
    for inner in provision.provision or ():
        for one in _denying(inner, False):
            yield one if one.period else Provision(one.type, provision.period, one.provision)
