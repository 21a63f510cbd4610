"""What is refused before anything is decoded (research/imaging 7: deflated bombs, nesting, claimed sizes)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from service.ingest.dicom.elements import UnreadableDicom, read_header
from service.retrieval.errors import CannotShow

MOST_IN_FRAME = 1 << 26
MOST_IN_ALL = 1 << 32
"""Samples (rows x columns x samples per pixel) of one frame, and of all frames together."""
_MOST_TRANSFER_SYNTAX = 64


def look(data: bytes) -> None:
    """Raises CannotShow where the file is none whose pixels should be decoded; reads its header only."""
    try:
        header = read_header(data)
    except UnreadableDicom as error:
        raise CannotShow(error.reason_code, error.message) from None
    if not header.at_pixels:
        raise CannotShow("no-pixels", "The instance has no pixels: it is a report, a note or a plan.")
    require_decoder(header.meta.get(0x00020010, b"").decode("ascii", "replace")[:_MOST_TRANSFER_SYNTAX])
    require_size(header.dataset)


def require_decoder(transfer_syntax: str) -> None:
    """CannotShow `unknown-codec` where nothing here decodes the transfer syntax."""
    try:
        is_known = get_decoder(UID(transfer_syntax)).is_available
    except (RuntimeError, ValueError):  # pydicom says so where it knows no decoder
        is_known = False
    if not is_known:
        raise CannotShow("unknown-codec", "The pixels are compressed in a way that is not decoded here.")


def require_size(dataset: Dataset) -> None:
    """CannotShow `too-large` by what the header claims, `no-pixels` where it claims nothing."""
    rows, columns = number_of(dataset, "Rows"), number_of(dataset, "Columns")
    samples, frames = number_of(dataset, "SamplesPerPixel") or 1, number_of(dataset, "NumberOfFrames") or 1
    if rows <= 0 or columns <= 0 or samples < 0 or frames < 0:
        raise CannotShow("no-pixels", "The header does not say how many pixels there are.")
    in_frame = rows * columns * samples
    if in_frame > MOST_IN_FRAME or in_frame * frames > MOST_IN_ALL:
        raise CannotShow("too-large", f"The image claims {rows} x {columns} pixels in {frames} frames.")


def number_of(dataset: Dataset, keyword: str) -> int:
    """An integer of the header; 0 where it is absent or none."""
    with suppress(Exception):  # pydicom converts when it is asked, and raises whatever the bytes lead it to
        value: Any = dataset.get(keyword)
        return int(value)
    return 0
