"""Frames cut out of instances."""

from __future__ import annotations

import pytest
from pydicom.encaps import encapsulate

from adapters.dimse.pixels import frames_of
from adapters.dimse.transfer import Received
from service.ingest.archive import EXPLICIT_LITTLE, CannotRender
from service.ingest.source import Retriable

JPEG = "1.2.840.10008.1.2.4.50"
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
# (0028,xxxx): samples, number of frames, rows, columns, bits allocated
_SHAPE = ((b"\x02\x00", 1), (b"\x08\x00", 0), (b"\x10\x00", 2), (b"\x11\x00", 2), (b"\x00\x01", 8))


def explicit(tag: bytes, vr: bytes, value: bytes) -> bytes:
    return tag + vr + len(value).to_bytes(2, "little") + value


def instance(pixels: bytes, syntax: str = EXPLICIT_LITTLE, frames: bytes = b"2 ") -> Received:
    """Two by two, one sample of 8 bits."""
    body = b"".join(
        explicit(b"\x28\x00" + tag, b"US", value.to_bytes(2, "little"))
        if value
        else explicit(b"\x28\x00" + tag, b"IS", frames)
        for tag, value in _SHAPE
    )
    return Received("1.2", "1.2.3", syntax, body + pixels)


def native(data: bytes) -> bytes:
    return b"\xe0\x7f\x10\x00OW\0\0" + len(data).to_bytes(4, "little") + data


def test_frames_of_uncompressed_pixels_are_pieces_of_them() -> None:
    one = instance(native(b"aaaabbbb"))
    assert frames_of(one, (2, 1)) == (EXPLICIT_LITTLE, [b"bbbb", b"aaaa"])


def test_frames_of_compressed_pixels_stay_compressed() -> None:
    data = encapsulate([b"\xff\xd8first!", b"\xff\xd8second"])
    one = instance(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + data, JPEG)
    assert frames_of(one, (1, 2)) == (JPEG, [b"\xff\xd8first!", b"\xff\xd8second"])


@pytest.mark.parametrize("one", [instance(native(b"aaaa")), instance(native(b"aaaabbbb"), frames=b"1 ")])
def test_frame_that_is_missing_is_told(one: Received) -> None:
    with pytest.raises(Retriable):
        frames_of(one, (2,))


@pytest.mark.parametrize(
    "one",
    [
        instance(b""),
        instance(native(b"aaaabbbb"), BIG_ENDIAN),
        instance(native(b"aa"), DEFLATED),
        instance(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xffgarbage", JPEG),
        instance(b"\xe0\x7f\x08\x00OF\0\0\x04\x00\x00\x00aaaa"),
    ],
)
def test_pixels_that_cannot_be_cut_are_left_to_whoever_renders(one: Received) -> None:
    with pytest.raises(CannotRender):
        frames_of(one, (1,))
