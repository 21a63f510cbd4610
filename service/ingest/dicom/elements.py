"""The header of a DICOM file, by pydicom: the elements before the pixels, their values as raw bytes.

pydicom's element reader is called rather than `pydicom.dcmread`, for three reasons: `dcmread` inflates a deflated
file before anyone can refuse it (400 kB can hold 800 MB), it loses the whole file by one broken element, and it
decodes text by a character set that is often wrong, which raw bytes survive. PS3.5 7 is the structure, PS3.10 7 the
file.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from traceback import walk_tb

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import ENCODED_VR, data_element_generator, read_preamble, read_sequence
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian

MAX_HEADER = 64 * 1024 * 1024
MAX_DEPTH = 64
DEFLATED = {b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.95", b"1.2.840.10008.1.2.4.205"}  # PS3.6 table A-1
_UNDEFINED = 0xFFFFFFFF
_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}  # (Double) Float Pixel Data, Pixel Data

# pydicom tells odd values, which are a patient's, in its log and in warnings. Both are silenced once and for the whole
# process: `warnings.catch_warnings` around each call would change other threads' filters.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module="pydicom")


class UnreadableDicom(Exception):
    """The file cannot be used. `reason_code` is stable (`not-dicom`, `deflated`, `too-deep`, `header-too-large`,
    `not-an-instance`, `invalid-uid`, `no-patient-id`); `message` says what was expected and how to mend it."""

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code
        self.message = message


@dataclass(frozen=True, slots=True)
class Header:
    """The data set as far as the pixels, nothing in it converted yet; the values of the file meta information; where
    the reading ended, and whether that was at the pixels."""

    dataset: Dataset
    meta: dict[int, bytes]
    end: int
    at_pixels: bool


@dataclass(frozen=True, slots=True)
class _Read:
    elements: dict[BaseTag, DataElement | RawDataElement]
    end: int
    stopped: bool


def read_header(data: bytes) -> Header:
    """Reads the header of the file that starts with `data`; of bytes that are cut off, what came before.

    Raises UnreadableDicom (`not-dicom`, `deflated`, `too-deep`, `header-too-large`).
    """
    file = BytesIO(data[:MAX_HEADER])
    read_preamble(file, force=True)
    start = _read(file, False, True, lambda tag: tag >> 16 != 2)  # always explicit little endian (PS3.10 7.1)
    first = data[start.end : start.end + 8]
    if len(first) < 8:
        raise UnreadableDicom("not-dicom", "The file ends before a DICOM data set begins; export it again.")
    meta = {int(tag): _raw(one).strip(b"\0 ") for tag, one in start.elements.items()}
    syntax = meta.get(0x00020010)
    if syntax in DEFLATED:
        raise UnreadableDicom(
            "deflated", "The file is stored deflated, which is not opened; export it as Explicit VR Little Endian."
        )
    file.seek(start.end)
    body = _read(file, *_encoding(first, syntax), _PIXELS.__contains__)
    if len(data) > MAX_HEADER and not body.stopped:
        raise UnreadableDicom("header-too-large", f"The header is larger than {MAX_HEADER} bytes; it is not read.")
    return Header(Dataset(body.elements), meta, body.end, body.stopped)


def _read(file: BytesIO, implicit: bool, little: bool, is_end: Callable[[int], bool]) -> _Read:
    """The elements up to the first for which `is_end` holds. An element that pydicom cannot read is left out; where
    it ends is unknown if its length is undefined, and then the reading ends before it."""
    found: dict[BaseTag, DataElement | RawDataElement] = {}
    end = file.tell()
    after: int | None = None  # where the element ends that is being read
    stopped = False

    def stop(tag: BaseTag, _vr: str | None, length: int) -> bool:
        nonlocal after, stopped
        after = None if length == _UNDEFINED else file.tell() + length
        stopped = is_end(tag)
        return stopped

    while True:
        try:
            for element in data_element_generator(file, implicit, little, stop):
                if after is not None and file.tell() < after:
                    break  # cut off: half a UID or PatientID is another's
                found[element.tag] = element
                end, after = file.tell(), None
        except Exception as error:  # pydicom raises whatever the broken bytes lead it to
            depth = sum(frame.f_code is read_sequence.__code__ for frame, _ in walk_tb(error.__traceback__))
            if depth > MAX_DEPTH:
                raise _too_deep() from None
            if after is None:
                return _Read(found, end, False)
            file.seek(after)
            continue
        if any(isinstance(one, DataElement) and _depth(one) > MAX_DEPTH for one in found.values()):
            raise _too_deep()
        return _Read(found, file.tell(), stopped)


def _too_deep() -> UnreadableDicom:
    return UnreadableDicom("too-deep", f"Sequences are nested deeper than {MAX_DEPTH}; such a file is not read.")


def _depth(sequence: DataElement) -> int:
    """How deep sequences of undefined length are nested; pydicom reads those of a defined length when asked for."""
    inner = (one for item in sequence.value for one in item.values() if isinstance(one, DataElement))
    return 1 + max(map(_depth, inner), default=0)


def _encoding(first: bytes, syntax: bytes | None) -> tuple[bool, bool]:
    """(implicit, little). What the first element looks like wins over what the file says of itself: some lie."""
    looks_explicit = first[4:6] in ENCODED_VR
    if syntax == ExplicitVRBigEndian.encode("ascii"):
        return False, False
    # Without a transfer syntax, a group such as 0x0008 read the wrong way round is 0x0800 and more.
    big = syntax is None and looks_explicit and int.from_bytes(first[:2], "little") >= 0x400
    return not looks_explicit, not big


def _raw(element: DataElement | RawDataElement | None) -> bytes:
    value = None if element is None else element.value
    return value if isinstance(value, bytes) else b""
