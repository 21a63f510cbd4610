"""What single elements of FHIR resources mean here: codes, times, states, values as text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from service.domain.catalogue import Catalogue, Item
from service.domain.codes import CRITICAL, INTERPRETATION, LOINC, SNOMED_CT, UCUM
from service.domain.network import Network
from service.domain.report import Measured, Status
from service.domain.times import When, parse_when
from service.ingest.fhir_r4.shapes import CodeableConcept, Dated, Period, Quantity, ReferenceRange, Resource, Value
from service.ingest.values import measure_quantity, measure_text

_SYSTEMS = {
    "https://loinc.org": LOINC,
    "http://loinc.org/": LOINC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT,
    "https://snomed.info/sct": SNOMED_CT,
}
"""Other spellings of the same code system (HL7 OID registry, terminology.hl7.org)."""


def same_system(system: str | None) -> str:
    """The usual URI of a code system; "" when none is given."""
    text = (system or "").strip()
    return _SYSTEMS.get(text, text)


@dataclass
class Context:
    """What a reader needs beside the resource: the vocabulary, the network, who sends. `notes` counts what could not
    be read and was left out."""

    institution: str
    catalogue: Catalogue
    network: Network
    notes: Counter[str] = field(default_factory=Counter)
    _items: dict[tuple[tuple[str, str], ...], Item | None] = field(default_factory=dict)
    _times: dict[str, When | None] = field(default_factory=dict)

    def when(self, text: str | None) -> When | None:
        """A date or time; None, with a note, when it is none. Nothing is ever filled in."""
        if text is None:
            return None
        try:
            return self._times[text]
        except KeyError:
            pass
        try:
            found: When | None = parse_when(text, self.network.zone)
        except ValueError:
            found = None
            self.notes["date-unreadable"] += 1
        if len(self._times) > 10_000:
            self._times.clear()
        self._times[text] = found
        return found

    def item(self, codes: tuple[tuple[str, str], ...]) -> Item | None:
        """The laboratory item that the codes name; None when they name none, or different ones."""
        try:
            return self._items[codes]
        except KeyError:
            pass
        found = {one.id: one for code in codes if (one := self.catalogue.find_item(*code)) and one.kind == "lab"}
        only = next(iter(found.values())) if len(found) == 1 else None
        if len(found) > 1:
            self.notes["codes-name-several-items"] += 1
        if len(self._items) > 20_000:
            self._items.clear()
        self._items[codes] = only
        return only


def codes_of(concept: CodeableConcept | None) -> tuple[tuple[str, str], ...]:
    """(system, code) of every coding; a bare code keeps the system ""."""
    if concept is None:
        return ()
    return tuple((same_system(one.system), (one.code or "").strip()) for one in concept.codings)


def status_of(status: str | None, resource: Resource) -> Status:
    """The status; UNKNOWN when the word is unknown or the resource carries rules we do not know.

    FHIR R4 extensibility.html 2.1.0.2 and resource.html 2.26.3.2: a modifierExtension or implicitRules that is not
    understood may change the meaning, so the content must not be used as if it were plain."""
    try:
        found = Status(status or "")
    except ValueError:
        return Status.UNKNOWN
    if (resource.modifierExtension or resource.implicitRules) and found.exists:
        return Status.UNKNOWN
    return found


def version_of(resource: Resource, issued: str | None, context: Context) -> When | None:
    """The version's own time: meta.lastUpdated, else issued (contract, section 3)."""
    stamped = context.when(resource.meta.lastUpdated) if resource.meta else None
    return stamped or context.when(issued)


@dataclass(frozen=True, slots=True)
class Told:
    """A time that a source tells, or tells unreadably (`at` None)."""

    at: When | None


def told(context: Context, text: str | None, period: Period | None = None) -> Told | None:
    """A time told as a text or a period, which counts from its start (contract, section 3); None: not told."""
    if text is not None:
        return Told(context.when(text))
    return Told(context.when(period.start)) if period else None


def effective(resource: Dated, context: Context) -> Told | None:
    """effective[x]; of a Timing the first event."""
    if resource.effectiveTiming is not None:
        return Told(context.when(min(resource.effectiveTiming.event or (), default=None)))
    return told(context, resource.effectiveDateTime or resource.effectiveInstant, resource.effectivePeriod)


def measured_of(value: Value, item: Item | None) -> Measured:
    """value[x] as domain value. With dataAbsentReason there is no value, whatever stands beside it (R4 obs-6)."""
    if value.dataAbsentReason is not None:
        return Measured()
    if (quantity := value.valueQuantity) is not None:
        return _quantity(quantity, item)
    text = value_words(value)
    if text is None:
        return Measured()
    return measure_text(text, None, item)


def _quantity(quantity: Quantity, item: Item | None) -> Measured:
    if quantity.value is None:
        return Measured()
    is_ucum = quantity.code and same_system(quantity.system) == UCUM
    return measure_quantity(
        plain(quantity.value), quantity.unit or quantity.code, quantity.code if is_ucum else None,
        quantity.comparator, item,
    )  # fmt: skip


def value_words(value: Value) -> str | None:
    """value[x] as a text, for every type but Quantity; None when there is none."""
    if value.valueString is not None:
        return value.valueString
    if value.valueCodeableConcept is not None:
        concept = value.valueCodeableConcept
        return concept.words or next((one.code for one in concept.codings), None)
    if value.valueInteger is not None:
        return str(value.valueInteger)
    if value.valueBoolean is not None:
        return "true" if value.valueBoolean else "false"
    if value.valueRange is not None:
        return f"{_bare(value.valueRange.low)}-{_bare(value.valueRange.high)}"
    if value.valueRatio is not None:
        return f"{_bare(value.valueRatio.numerator)}:{_bare(value.valueRatio.denominator)}"
    if value.valuePeriod is not None:
        return f"{value.valuePeriod.start or ''}/{value.valuePeriod.end or ''}"
    if value.valueSampledData is not None or value.valueAttachment is not None:
        return "(attached)"
    return value.valueDateTime or value.valueTime


def plain(number: Decimal) -> str:
    """The digits as written, without an exponent unless it was enormous."""
    text = str(number)
    if "E" not in text:
        return text
    exponent = number.as_tuple().exponent
    return f"{number:f}" if isinstance(exponent, int) and -40 < exponent < 40 else text


def _bare(quantity: Quantity | None) -> str:
    return f"{quantity.comparator or ''}{plain(quantity.value)}" if quantity and quantity.value is not None else ""


_WORDS_OF_INTERPRETATION = (
    (re.compile(r"危急|critical|panic|警戒", re.IGNORECASE), "AA"),
    (re.compile(r"↑↑|极高", re.IGNORECASE), "HH"),
    (re.compile(r"↓↓|极低", re.IGNORECASE), "LL"),
    (re.compile(r"↑|偏高|^高$|^high$", re.IGNORECASE), "H"),
    (re.compile(r"↓|偏低|^低$|^low$", re.IGNORECASE), "L"),
    (re.compile(r"^正常$|^normal$", re.IGNORECASE), "N"),
    (re.compile(r"异常|^abnormal$", re.IGNORECASE), "A"),
)
_OLD_INTERPRETATION = ("v2-0078", "/0078", "observation-interpretation", "2.16.840.1.113883.5.83")


def interpretations(given: list[CodeableConcept]) -> tuple[str, ...]:
    """v3-ObservationInterpretation codes; those of HL7 v2 table 0078 are spelled alike. Words count where no code
    does. What says critical counts always: a word, or HH, LL, AA of a laboratory's own system."""
    found = [code for one in given for code in _interpretation(_key_of(one), one.text or "")]
    return tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)


def _key_of(concept: CodeableConcept) -> tuple[tuple[str, str, str], ...]:
    spoken = [one for one in concept.coding or () if not one.code and one.display]
    return tuple((one.system or "", one.code or "", one.display or "") for one in (*concept.codings, *spoken))


@lru_cache(maxsize=4096)
def _interpretation(codings: tuple[tuple[str, str, str], ...], text: str) -> tuple[str, ...]:
    told = [(system, code.strip().upper()[:8]) for system, code, _ in codings if code]
    codes = [code for system, code in told if _is_ours(system) or code in CRITICAL]
    words = " ".join([text, *(display for _, _, display in codings)]).strip()
    read = [code for pattern, code in _WORDS_OF_INTERPRETATION if pattern.search(words)]
    if not codes and not read and re.fullmatch(r"[A-Za-z<>+\-]{1,3}", words):
        codes = [words.upper()]
    return (*codes, *(read[:1] if not codes or "AA" in read else ()))


def _is_ours(system: str) -> bool:
    return not system or system == INTERPRETATION or any(part in system for part in _OLD_INTERPRETATION)


def range_text(ranges: list[ReferenceRange] | None) -> str | None:
    """The reference range as text: its own, else `low-high`, `>=low` or `<=high`."""
    found = []
    for one in ranges or ():
        low, high = _bare(one.low), _bare(one.high)
        if one.text:
            found.append(one.text)
        elif low and high:
            found.append(f"{low}-{high}")
        elif low or high:
            found.append(f">={low}" if low else f"<={high}")
    return "; ".join(found) or None


def platform(text: str) -> str:
    """A method or device name in one spelling: lower case, anything else a single hyphen."""
    return "-".join("".join(ch if ch.isalnum() else " " for ch in text.casefold()).split())
