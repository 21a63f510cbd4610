"""Frames out of an instance: its Pixel Data cut up, never decoded (PS3.5 8 and A.4)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.encaps import generate_frames

from adapters.dimse.headers import header_of
from adapters.dimse.transfer import Received
from service.ingest.archive import EXPLICIT_LITTLE, CannotRender
from service.ingest.dicom.elements import UnreadableDicom
from service.ingest.source import Retriable

_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_BIG_ENDIAN, _IMPLICIT = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"
_NATIVE = frozenset((_IMPLICIT, EXPLICIT_LITTLE))
_UNDEFINED = 0xFFFFFFFF


def frames_of(one: Received, numbers: tuple[int, ...]) -> tuple[str, list[bytes]]:
    """The frames with these numbers (from 1), and the transfer syntax they are in.

    Raises CannotRender where they cannot be cut out, Retriable `cut-off` where the instance has fewer.
    """
    try:
        header = header_of(one)
    except UnreadableDicom as error:
        raise CannotRender(f"the instance cannot be read: {error.reason_code}") from None
    if not header.at_pixels or one.transfer_syntax == _BIG_ENDIAN:
        raise CannotRender("the instance has no pixel data that can be cut into frames")
    rows, columns, samples, bits = (_number(header.dataset, tag) for tag in _SHAPE)
    count = int(str(header.dataset.get("NumberOfFrames") or 1).split("\\")[0])
    data = _pixel_data(one.file()[header.end :], one.transfer_syntax == _IMPLICIT)
    if one.transfer_syntax in _NATIVE:
        size = rows * columns * samples * bits // 8
        found: Iterator[bytes] = (data[n * size : (n + 1) * size] for n in range(count)) if size else iter(())
        return EXPLICIT_LITTLE, _chosen(found, numbers)
    try:
        return one.transfer_syntax, _chosen(generate_frames(data, number_of_frames=count), numbers)
    except ValueError:
        raise CannotRender("the compressed pixel data cannot be cut into frames") from None


_SHAPE = (0x00280010, 0x00280011, 0x00280002, 0x00280100)


def _number(dataset: object, tag: int) -> int:
    value = dataset[tag].value if tag in dataset else 0  # type: ignore[index,operator]
    return value if isinstance(value, int) else 0


def _pixel_data(element: bytes, is_implicit: bool) -> bytes:
    """The value of the element that begins here; of an encapsulated one all up to the end."""
    if element[:4] != _PIXEL_DATA:
        raise CannotRender("the instance has other pixel data than (7FE0,0010)")
    start = 8 if is_implicit else 12
    length = int.from_bytes(element[start - 4 : start], "little")
    return element[start:] if length == _UNDEFINED else element[start : start + length]


def _chosen(frames: Iterator[bytes], numbers: tuple[int, ...]) -> list[bytes]:
    wanted = dict.fromkeys(numbers, b"")
    for n, frame in enumerate(frames, 1):
        if n in wanted:
            wanted[n] = frame
        if n >= max(wanted):
            break
    if not all(wanted.values()):
        raise Retriable("cut-off", "the instance has fewer frames than were asked for")
    return [wanted[n] for n in numbers]
