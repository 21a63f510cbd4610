"""One frame of a DICOM file as JPEG or PNG."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels.utils import pixel_array

from service.ingest.archive import View
from service.retrieval.errors import CannotShow
from service.retrieval.rendering.gate import MOST_IN_FRAME, look, number_of
from service.retrieval.rendering.pixels import to_screen

THUMBNAIL = (128, 128)
_QUALITY = 90
_LARGEST = 8192
Image.MAX_IMAGE_PIXELS = MOST_IN_FRAME // 2
warnings.simplefilter("error", Image.DecompressionBombWarning)


def draw(data: bytes, frame: int | None, view: View) -> bytes:
    """The frame (from 1; None: the first) in `view.media`. Raises CannotShow with the reason."""
    look(data)
    try:
        return _draw(data, 1 if frame is None else frame, view)
    except CannotShow:
        raise
    except RecursionError:
        raise CannotShow("too-deep", "Sequences are nested too deep; such a file is not read.") from None
    except MemoryError:
        raise CannotShow("too-large", "The image needs more memory than a picture may take.") from None
    except Exception as error:  # decoders raise whatever the bytes lead them to; their texts may quote the file
        raise CannotShow("unreadable-pixels", f"The pixels cannot be decoded ({type(error).__name__}).") from None


def _draw(data: bytes, frame: int, view: View) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if not 1 <= frame <= max(1, number_of(dataset, "NumberOfFrames")):
        raise CannotShow("no-such-frame", "The instance has no such frame.")
    stored = pixel_array(dataset, index=frame - 1)
    if stored.ndim not in (2, 3):
        raise CannotShow("unreadable-pixels", "The pixels are of no shape that can be shown.")
    shown = to_screen(np.asarray(stored), dataset, frame, view.window)
    return _encoded(Image.fromarray(shown), view)


def _encoded(picture: Image.Image, view: View) -> bytes:
    viewport = view.viewport or (THUMBNAIL if view.thumbnail else None)
    if viewport is not None:
        width, height = (max(1, min(one, _LARGEST)) for one in viewport)
        scale = min(width / picture.width, height / picture.height)  # whole and undistorted (PS3.18 8.3.5.1.3)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BILINEAR if scale >= 1 else Image.Resampling.BOX)
    written = io.BytesIO()
    if view.media == "image/png":
        picture.save(written, "PNG", compress_level=1)
    else:
        picture.save(written, "JPEG", quality=view.quality or _QUALITY)
    return written.getvalue()
