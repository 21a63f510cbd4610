"""Pictures made of images: pixel values as the standard gives them, and what is refused with which reason."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from service.ingest.archive import View
from service.retrieval.errors import CannotShow
from service.retrieval.rendering import pool
from service.retrieval.rendering.picture import draw
from service.retrieval.rendering.pixels import windowed
from service.retrieval.rendering.pool import Renderers

PNG = View("image/png")
RAMP = np.arange(16, dtype=np.uint16).reshape(4, 4) * 100


def file_of(pixels: Any, kind: str = "MONOCHROME2", syntax: str = ExplicitVRLittleEndian, **more: Any) -> bytes:
    """An instance with these pixels: (frames,) rows, columns(, samples)."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    made.PhotometricInterpretation = kind
    array = np.asarray(pixels)
    is_color = kind in ("RGB", "YBR_FULL")
    frames = array.ndim - (3 if is_color else 2)
    made.Rows, made.Columns = array.shape[frames], array.shape[frames + 1]
    if frames:
        made.NumberOfFrames = array.shape[0]
    made.SamplesPerPixel = 3 if is_color else 1
    if is_color:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = array.dtype.itemsize * 8
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(array.dtype.kind == "i")
    made.PixelData = array.tobytes()
    for keyword, value in more.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    written = io.BytesIO()
    made.save_as(written, enforce_file_format=True)
    return written.getvalue()


def shown(data: bytes, frame: int | None = None, view: View = PNG) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(draw(data, frame, view))))


def refused(data: bytes, frame: int | None = None) -> str:
    with pytest.raises(CannotShow) as no:
        draw(data, frame, PNG)
    return no.value.code


def test_window_of_the_header_is_linear_as_the_standard_writes_it() -> None:
    picture = shown(file_of(RAMP, RescaleIntercept="-1000", RescaleSlope="1", WindowCenter="0", WindowWidth="1001"))
    expected = np.clip((RAMP.astype(float) - 1000 + 0.5) / 1000 + 0.5, 0, 1) * 255
    assert np.abs(picture - np.rint(expected)).max() == 0
    assert (picture[0, 0], picture[3, 3]) == (0, 255)


@pytest.mark.parametrize(
    ("function", "at", "value"),
    [("LINEAR", 39.5, 0.5), ("LINEAR_EXACT", 40.0, 0.5), ("SIGMOID", 40.0, 0.5), ("LINEAR", -160.0, 0.0),
     ("LINEAR", 239.0, 1.0), ("LINEAR_EXACT", -160.0, 0.0), ("SIGMOID", 140.0, 1 / (1 + np.exp(-1)))],
)  # fmt: skip
def test_windows_of_each_function(function: str, at: float, value: float) -> None:
    assert windowed(np.array([at]), (40.0, 400.0, function))[0] == pytest.approx(value, abs=1e-6)


def test_window_asked_for_goes_before_that_of_the_header() -> None:
    asked = View("image/png", window=(750.0, 1.0, "LINEAR"))
    picture = shown(file_of(RAMP, WindowCenter="0", WindowWidth="10"), view=asked)
    assert (picture == np.where(RAMP > 749.5, 255, 0)).all()


def test_without_a_window_all_values_are_shown_but_the_padding() -> None:
    pixels = np.array([[0, 100], [150, 200]], np.uint16)
    assert shown(file_of(pixels, PixelPaddingValue=0)).tolist() == [[0, 0], [128, 255]]


def test_monochrome1_shows_its_least_value_brightest() -> None:
    assert shown(file_of(RAMP, "MONOCHROME1"))[0, 0] == 255
    assert shown(file_of(RAMP, PresentationLUTShape="INVERSE"))[3, 3] == 0
    assert shown(file_of(RAMP, "MONOCHROME1", PresentationLUTShape="INVERSE"))[0, 0] == 255


def test_signed_values_and_decimals_with_a_comma_are_read_or_left_out() -> None:
    pixels = np.array([[-100, 0], [50, 100]], np.int16)
    assert shown(file_of(pixels, WindowCenter="0.5", WindowWidth="201")).tolist() == [[0, 128], [191, 255]]
    broken = file_of(pixels, WindowCenter="77777", WindowWidth="200").replace(b"77777 ", b"7,777 ")
    assert shown(broken).tolist() == [[0, 128], [191, 255]]


def test_lookup_table_of_the_header_is_used() -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.add_new("LUTData", "OW", np.array([255, 10, 20, 30], "<u2").tobytes())
    pixels = np.array([[0, 1], [2, 3]], np.uint16)
    assert shown(file_of(pixels, VOILUTSequence=[table])).tolist() == [[255, 10], [20, 30]]


def test_enhanced_frame_has_its_own_rescale_and_window() -> None:
    def group(slope: str, center: str) -> Dataset:
        one, rescale, voi = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, "0"
        voi.WindowCenter, voi.WindowWidth = center, "2"
        one.PixelValueTransformationSequence, one.FrameVOILUTSequence = [rescale], [voi]
        return one

    pixels = np.array([[[1, 3]], [[1, 3]]], np.uint16)
    data = file_of(pixels, PerFrameFunctionalGroupsSequence=[group("1", "2"), group("1", "40")])
    assert shown(data, 1).tolist() == [[0, 255]]
    assert shown(data, 2).tolist() == [[0, 0]]


def test_each_frame_is_its_own_and_no_other_can_be_asked_for() -> None:
    data = file_of(np.array([[[0, 255]], [[255, 0]]], np.uint8), WindowCenter="128", WindowWidth="256")
    assert shown(data, 1).tolist() == [[0, 255]]
    assert shown(data, 2).tolist() == [[255, 0]]
    assert {refused(data, n) for n in (3, 0, -1)} == {"no-such-frame"}


def test_colours_are_shown_as_rgb() -> None:
    rgb = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)
    assert shown(file_of(rgb, "RGB")).tolist() == rgb.tolist()
    ybr = np.array([[[76, 85, 255], [150, 44, 21]]], np.uint8)
    assert np.abs(shown(file_of(ybr, "YBR_FULL")).astype(int) - rgb.astype(int)).max() <= 2
    palette = {f"{c}PaletteColorLookupTableDescriptor": [2, 0, 8] for c in ("Red", "Green", "Blue")}
    tables = {"Red": b"\0\xff", "Green": b"\0\x10", "Blue": b"\0\x20"}
    palette |= {f"{c}PaletteColorLookupTableData": value for c, value in tables.items()}
    assert shown(file_of(np.array([[0, 1]], np.uint8), "PALETTE COLOR", **palette)).tolist() == [
        [[0, 0, 0], [255, 16, 32]]
    ]


def encapsulated(frame: bytes, syntax: str, like: Any = RAMP, **more: Any) -> bytes:
    made = pydicom.dcmread(io.BytesIO(file_of(like, **more)))
    made.PixelData = pydicom.encaps.encapsulate([frame])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    made.file_meta.TransferSyntaxUID = syntax
    written = io.BytesIO()
    made.save_as(written, enforce_file_format=True)
    return written.getvalue()


def test_compressed_pixels_are_decoded() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for kind, syntax in (("JPEG2000", JPEG2000Lossless), ("JPEG", JPEGBaseline8Bit)):
        written = io.BytesIO()
        Image.fromarray(grey).save(written, kind, **({"quality": 95} if kind == "JPEG" else {"irreversible": False}))
        picture = shown(encapsulated(written.getvalue(), syntax, grey, WindowCenter="128", WindowWidth="256"))
        assert np.abs(picture.astype(int) - grey).max() <= 3, kind
    made = pydicom.dcmread(io.BytesIO(file_of(grey, WindowCenter="128", WindowWidth="256")))
    made.compress(RLELossless, encoding_plugin="pydicom")
    written = io.BytesIO()
    made.save_as(written, enforce_file_format=True)
    assert (shown(written.getvalue()) == grey).all()
    assert RLELosslessEncoder.is_available


def test_viewport_keeps_the_shape_and_thumbnails_are_small() -> None:
    data = file_of(np.zeros((40, 80), np.uint8))
    assert shown(data, view=View("image/png", viewport=(20, 20))).shape == (10, 20)
    assert shown(data, view=View("image/png", viewport=(160, 999))).shape == (80, 160)
    assert max(shown(data, view=View("image/png", thumbnail=True)).shape) == 128
    jpeg = draw(data, None, View("image/jpeg", quality=10))
    assert jpeg[:3] == b"\xff\xd8\xff"


def nested(depth: int) -> bytes:
    """An image whose sequences of undefined length are nested so deep."""
    whole = file_of(RAMP)
    at = whole.index(b"\x28\x00\x02\x00US")  # before SamplesPerPixel
    opening = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return whole[:at] + opening * depth + closing * depth + whole[at:]


def deflated() -> bytes:
    """A bomb: a few hundred bytes that are 50 MB of zeros."""
    head = file_of(RAMP, syntax=DeflatedExplicitVRLittleEndian)
    end = 132 + 12 + int.from_bytes(head[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return head[:end] + packer.compress(bytes(50_000_000)) + packer.flush()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (deflated(), "deflated"),
        (nested(70), "too-deep"),
        (file_of(RAMP, Rows=65535, Columns=65535, NumberOfFrames=1000), "too-large"),
        (file_of(RAMP, NumberOfFrames=2_000_000_000), "too-large"),
        (encapsulated(b"\0" * 64, JPEGLSLossless), "unreadable-pixels"),
        (encapsulated(b"\0" * 64, HTJ2KLossless), "unknown-codec"),
        (encapsulated(b"\xff\xd8\xff no jpeg" * 9, JPEGBaseline8Bit), "unreadable-pixels"),
        (file_of(RAMP)[:-8], "unreadable-pixels"),
        (file_of(RAMP, Rows=0), "no-pixels"),
        (b"MZ" + bytes(200), "no-pixels"),
        (b"", "not-dicom"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_reason(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_instance_without_pixels_has_no_picture() -> None:
    made = pydicom.dcmread(io.BytesIO(file_of(RAMP)))
    del made.PixelData
    written = io.BytesIO()
    made.save_as(written, enforce_file_format=True)
    assert refused(written.getvalue()) == "no-pixels"


def test_picture_that_claims_more_than_its_header_is_refused() -> None:
    written = io.BytesIO()
    Image.fromarray(np.zeros((8000, 8000), np.uint8)).save(written, "JPEG", quality=1)
    assert (
        refused(encapsulated(written.getvalue(), JPEGBaseline8Bit, np.zeros((4, 4), np.uint8))) == "unreadable-pixels"
    )


@pytest.fixture(scope="module")
def renderers() -> Iterator[Renderers]:
    made = Renderers(1)
    yield made
    made.close()


@pytest.mark.slow
def test_child_draws_what_is_drawn_here(renderers: Renderers) -> None:
    data = file_of(RAMP, WindowCenter="700", WindowWidth="900")
    assert renderers.draw_now(data, 1, PNG) == draw(data, 1, PNG)
    written = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(written, "JPEG2000", irreversible=False)
    wavelets = encapsulated(written.getvalue(), JPEG2000Lossless, np.zeros((8, 8), np.uint8))
    assert renderers.draw_now(wavelets, 1, PNG) == draw(wavelets, 1, PNG)


@pytest.mark.slow
def test_child_says_why_not_and_goes_on(renderers: Renderers) -> None:
    with pytest.raises(CannotShow) as no:
        renderers.draw_now(deflated(), None, PNG)
    assert no.value.code == "deflated"
    before = child_of(renderers)
    assert renderers.draw_now(file_of(RAMP), None, PNG)
    assert child_of(renderers) == before


def child_of(renderers: Renderers) -> int:
    child = renderers._children.get()
    renderers._children.put(child)
    assert child is not None
    return child._process.pid


@pytest.mark.slow
def test_child_that_dies_or_hangs_is_replaced(renderers: Renderers, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(RAMP)
    renderers.draw_now(data, None, PNG)
    os.kill(child_of(renderers), signal.SIGSTOP)
    monkeypatch.setattr(renderers, "_seconds", 0.2)
    with pytest.raises(CannotShow) as slow:
        renderers.draw_now(data, None, PNG)
    assert slow.value.code == "took-too-long"
    monkeypatch.setattr(renderers, "_seconds", pool.SECONDS)
    assert renderers.draw_now(data, None, PNG)
    killed = child_of(renderers)
    os.kill(killed, signal.SIGKILL)
    drawn = 0
    with suppress(CannotShow):  # killed between the look whether it lives and the job
        drawn = len(renderers.draw_now(data, None, PNG))
    assert drawn or renderers.draw_now(data, None, PNG)
    assert child_of(renderers) != killed


def test_child_found_dead_leaves_nothing_open(renderers: Renderers) -> None:
    data = file_of(RAMP)
    renderers.draw_now(data, None, PNG)
    killed = child_of(renderers)
    before = len(os.listdir("/proc/self/fd"))
    os.kill(killed, signal.SIGKILL)
    os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)  # it is dead, and nobody has looked
    assert renderers.draw_now(data, None, PNG)
    gc.collect()  # what was left open is told as it goes
    assert child_of(renderers) != killed
    assert len(os.listdir("/proc/self/fd")) == before


_CONFINED = """
import socket, sys
from service.retrieval.rendering import child
ours, theirs = socket.socketpair()
child._load(); child._restrict(theirs.fileno())
for what in (lambda: socket.socket(), lambda: open("/etc/hostname"), lambda: bytearray(child.MEMORY)):
    try:
        what(); print("allowed")
    except (OSError, MemoryError) as error:
        print(type(error).__name__)
"""


@pytest.mark.slow
def test_child_can_open_no_connection_no_file_and_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", _CONFINED], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["OSError", "OSError", "MemoryError"], done.stderr[-500:]
