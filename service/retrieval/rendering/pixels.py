"""From stored values to what a screen shows: grayscale and colour pipelines (PS3.4 N.2, PS3.3 C.7.6.3 and C.11)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

Values = npt.NDArray[Any]
Window = tuple[float, float, str]
"""Centre, width and function (PS3.3 C.11.2.1.2, C.11.2.1.3)."""


def to_screen(stored: Values, dataset: Dataset, frame: int, window: Window | None) -> Values:
    """8-bit values: rows x columns of grey, or rows x columns x 3 of RGB. `frame` counts from 1; colours that are not
    RGB any more are expected as RGB (pydicom has converted YBR)."""
    kind = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if kind == "PALETTE COLOR":
        return _to_byte(apply_color_lut(stored, dataset))
    if stored.ndim == 3:
        return _to_byte(stored, int(dataset.BitsStored))
    shown = _grey(stored, dataset, frame, window)
    if kind == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        shown = 1.0 - shown
    return np.asarray(np.rint(shown * 255), dtype=np.uint8)


def _to_byte(values: Values, bits: int | None = None) -> Values:
    depth = bits if bits is not None else values.dtype.itemsize * 8
    return np.asarray(values >> (depth - 8) if depth > 8 else values, dtype=np.uint8)


def _grey(stored: Values, dataset: Dataset, frame: int, window: Window | None) -> Values:
    """From 0 (first shown) to 1."""
    if "ModalityLUTSequence" in dataset:
        values = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float32)
    else:
        transform = _of_frame(dataset, "PixelValueTransformationSequence", frame)
        values = stored * np.float32(_number(transform, "RescaleSlope", 1.0))
        values += np.float32(_number(transform, "RescaleIntercept", 0.0))
    if window is None and "VOILUTSequence" in dataset:
        looked_up = apply_voi(values.astype(np.int64), dataset)
        most = 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
        return np.asarray(np.asarray(looked_up, dtype=np.float32) / most)
    chosen = window or _said_window(_of_frame(dataset, "FrameVOILUTSequence", frame))
    return windowed(values, chosen) if chosen else _stretched(values, stored, dataset)


def windowed(values: Values, window: Window) -> Values:
    """A window applied (PS3.3 C.11.2.1.2.1 and C.11.2.1.3), from 0 to 1."""
    center, width, function = window
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return np.asarray(1.0 / (1.0 + np.exp(-4.0 * (values - center) / width)), dtype=np.float32)
    if function == "LINEAR_EXACT":
        return np.asarray(np.clip((values - center) / width + 0.5, 0, 1), dtype=np.float32)
    if width <= 1:
        return np.asarray(values > center - 0.5, dtype=np.float32)
    return np.asarray(np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1), dtype=np.float32)


def _stretched(values: Values, stored: Values, dataset: Dataset) -> Values:
    """All there is, from the least to the greatest value, padding left out: where the header names no window."""
    padding = dataset.get("PixelPaddingValue")
    real = values[stored != padding] if isinstance(padding, int) else values
    low, high = (float(real.min()), float(real.max())) if real.size else (0.0, 0.0)
    return np.asarray(np.clip((values - low) / ((high - low) or 1.0), 0, 1), dtype=np.float32)


def _said_window(source: Dataset) -> Window | None:
    """The first window that the header names; a width that cannot be is none."""
    center, width = _number(source, "WindowCenter"), _number(source, "WindowWidth")
    function = str(source.get("VOILUTFunction") or "LINEAR")
    if center is None or width is None or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    return center, width, function


def _of_frame(dataset: Dataset, sequence: str, frame: int) -> Dataset:
    """Where an attribute of the frame stands: in its functional group, in the shared one (PS3.3 C.7.6.16), else in the
    data set itself."""
    with suppress(Exception):  # a broken group leaves the data set
        for groups, at in (("PerFrameFunctionalGroupsSequence", frame - 1), ("SharedFunctionalGroupsSequence", 0)):
            items = dataset.get(groups)
            if items and at < len(items) and items[at].get(sequence):
                return Dataset(items[at][sequence].value[0])
    return dataset


def _number(source: Dataset, keyword: str, absent: Any = None) -> Any:
    """A decimal of the header, the first of several; `absent` where it is none that can be."""
    with suppress(Exception):  # a DS such as `1,25`
        value = source.get(keyword)
        first = value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value
        number = float(first)
        return number if np.isfinite(number) else absent
    return absent
