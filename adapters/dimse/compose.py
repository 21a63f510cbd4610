"""The DICOM JSON of a series (PS3.18 annex F), composed from what C-FIND answered and from headers.

DIMSE has no metadata answer, so the record is ours to make. What is taken from where stands in the package's README.
Every value is decoded from its raw bytes (`service.ingest.dicom.charsets`): answers say one character set and hold
another (fo-dicom#659 tells of one). Private elements, bulk data and long binary values are left out.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from service.ingest.dicom.charsets import decode_text, read_terms
from service.ingest.dicom.json_model import series_document

Json = dict[str, Any]

_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_WHOLE = frozenset(("LT", "ST", "UT", "UR"))  # a backslash is text in them (PS3.5 6.2)
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_LONGEST = 64 * 1024
_DEEPEST = 12
_OWN = frozenset(
    (
        0x00080016, 0x00080018, 0x00080023, 0x00080033, 0x00200013, 0x00200032, 0x00201041, 0x00280008,
        0x0040A043, 0x0040A375, 0x0040A730, 0x52009230,
    )
)  # fmt: skip
"""What an instance says of itself alone: class, UID, number, place, content."""
_SIDES = frozenset((0x00185101, 0x00200062, 0x52009229))
"""What may differ between the images of a series unless it is a volume: view, side, both of them for frames."""
_CHARSET = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}  # of JSON (RFC 8259 8.1)


def to_json(dataset: Dataset, terms: tuple[str, ...], depth: int = 0) -> Json:
    """The elements of a data set as DICOM JSON, by tag. `terms` (`charsets.read_terms`) serve a data set that declares
    no character set of its own. An element that cannot be read is left out."""
    own = _raw(dataset.get_item(0x00080005, keep_deferred=True))
    terms = read_terms(own) if own else terms
    found: Json = {}
    for tag in sorted(dataset.keys()):
        if tag.is_private or tag.element == 0 or tag == 0x00080005:
            continue
        element = dataset.get_item(tag, keep_deferred=True)
        vr = _vr_of(element)
        if vr == "SQ":
            made: Json | None = _sequence(dataset, tag, terms, depth)
        else:
            made = _element(vr, _raw(element), terms, _is_little(element))
        if made is not None:
            found[f"{int(tag):08X}"] = made
    return found


def _sequence(dataset: Dataset, tag: Any, terms: tuple[str, ...], depth: int) -> Json | None:
    if depth >= _DEEPEST:
        return None
    try:
        items = list(dataset[tag].value)
    except Exception:  # pydicom raises whatever the broken bytes lead it to
        return None
    made = [to_json(one, terms, depth + 1) for one in items]
    return {"vr": "SQ", "Value": made} if made else {"vr": "SQ"}


def _vr_of(element: DataElement | RawDataElement) -> str:
    vr = element.VR
    if vr is None or vr == "UN":
        try:
            vr = dictionary_VR(element.tag)
        except KeyError:
            return "UN"
    return "US" if vr == "US or SS" else str(vr).split(" ")[0]


def _is_little(element: DataElement | RawDataElement) -> bool:
    return bool(getattr(element, "is_little_endian", True))


def _raw(element: DataElement | RawDataElement | None) -> bytes:
    value = None if element is None else element.value
    return value if isinstance(value, bytes) else b""


def _element(vr: str, raw: bytes, terms: tuple[str, ...], is_little: bool) -> Json | None:
    if vr in _BINARY or len(raw) > _LONGEST:
        return None
    if vr in _NUMBERS or vr == "AT":
        values = _numbers(vr, raw, is_little)
    else:
        text = decode_text(raw, terms).text.strip(" \0\t\r\n")
        values = [one.strip() for one in ([text] if vr in _WHOLE else text.split("\\"))] if text else []
        if vr == "PN":
            values = [_name(one) for one in values]
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _numbers(vr: str, raw: bytes, is_little: bool) -> list[Any]:
    order = "<" if is_little else ">"
    kind = "H" if vr == "AT" else _NUMBERS[vr]
    size = struct.calcsize(kind)
    values = [one for (one,) in struct.iter_unpack(order + kind, raw[: len(raw) - len(raw) % size])]
    if vr == "AT":
        return [f"{group:04X}{element:04X}" for group, element in zip(values[::2], values[1::2], strict=False)]
    return [None if isinstance(one, float) and one - one != 0 else one for one in values]  # NaN and Inf are no JSON


def _name(text: str) -> Json:
    return {group: part for group, part in zip(_NAME_GROUPS, text.split("="), strict=False) if part}


def merged(*layers: Json) -> Json:
    """One object of several: what a later one has and an earlier one lacks, or has empty, is added."""
    found: Json = dict(_CHARSET)
    for layer in layers:
        for tag, element in layer.items():
            if not found.get(tag, {}).get("Value"):
                found[tag] = element
    return found


def shared(header: Json, is_volume: bool) -> Json:
    """What the header of one instance says of its whole series. The side that an image shows is its own, but for the
    slices of a volume."""
    own = _OWN if is_volume else _OWN | _SIDES
    return {tag: element for tag, element in header.items() if int(tag, 16) not in own}


def compose(
    names: tuple[str, str], study: Json, series: Json, images: Mapping[str, Json], headers: Mapping[str, Json],
    of_all: Json, rejected: Mapping[str, str],
) -> bytes:  # fmt: skip
    """The document of one series (`names`: StudyInstanceUID, SeriesInstanceUID): an object for each of `images` (by
    SOPInstanceUID), in the order of their UIDs.

    An instance whose header was read is that header, completed by the rows; another is its own row, then `of_all`, then
    the rows of series and study.
    """
    made = []
    for sop, image in sorted(images.items()):
        layers = (headers[sop], image, series, study) if sop in headers else (image, of_all, series, study)
        made.append(_of_instance(merged(*layers)))
    return series_document(*names, encode(made), rejected)


def encode(data: Json | list[Json]) -> bytes:
    """As bytes that are the same for the same content."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


_OF_ROWS = frozenset((0x00080052, 0x00080054, 0x00080056, 0x00080061, 0x00201206, 0x00201208, 0x00201209))


def _of_instance(one: Json) -> Json:
    """Without what belongs to the query and not to the instance: counts, level, AE title, availability."""
    return {tag: element for tag, element in one.items() if int(tag, 16) not in _OF_ROWS}


def texts(header: Json, *path: int) -> list[str]:
    """The text values along a path of tags, through all items of the sequences on it."""
    found: Iterable[Any] = [header]
    for tag in path:
        found = [value for one in found for value in _values(one, tag)]
    return [one for one in found if isinstance(one, str)]


def _values(one: Any, tag: int) -> Sequence[Any]:
    element = one.get(f"{tag:08X}") if isinstance(one, dict) else None
    return element.get("Value", ()) if isinstance(element, dict) else ()
