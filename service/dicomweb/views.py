"""How a picture is wanted (PS3.18 8.3.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from service.domain.errors import Fault, InvalidInput
from service.ingest.archive import View

_LARGEST = 8192
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "linear_exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


def read_view(query: Mapping[str, str], media: str, *, is_thumbnail: bool) -> View:
    """The view that a query asks for. InvalidInput where a parameter is not understood: a picture with another window
    than the one asked for would be taken for it."""
    faults: list[Fault] = []
    view = View(media, _viewport(query, faults), _window(query, faults), _quality(query, faults), is_thumbnail)
    if query.get("annotation"):
        faults.append(Fault("query annotation", "nothing is written into pictures here"))
    if faults:
        raise InvalidInput("the picture cannot be made", faults)
    return view


def _viewport(query: Mapping[str, str], faults: list[Fault]) -> tuple[int, int] | None:
    text = query.get("viewport")
    if text is None:
        return None
    sizes = [int(one) if one.isascii() and one.isdigit() and len(one) < 6 else 0 for one in text.split(",")]
    if len(sizes) == 2 and all(0 < one <= _LARGEST for one in sizes):
        return sizes[0], sizes[1]
    faults.append(Fault("query viewport", f"width,height in pixels are expected, each at most {_LARGEST}"))
    return None


def _window(query: Mapping[str, str], faults: list[Fault]) -> tuple[float, float, str] | None:
    text = query.get("window")
    if text is None:
        return None
    parts = [one.strip() for one in text.split(",")]
    function = _FUNCTIONS.get(parts[2].lower()) if len(parts) == 3 else "LINEAR"
    try:
        center, width = (float(one) for one in parts[:2])
    except ValueError:
        center, width = math.nan, math.nan
    least = 1.0 if function == "LINEAR" else 1e-9  # PS3.3 C.11.2.1.2.1
    if len(parts) in (2, 3) and function is not None and abs(center) < 1e9 and least <= width < 1e9:
        return center, width, function
    faults.append(Fault("query window", "center,width,function is expected: linear, linear-exact or sigmoid"))
    return None


def _quality(query: Mapping[str, str], faults: list[Fault]) -> int | None:
    text = query.get("quality")
    if text is None:
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 100:
        return int(text)
    faults.append(Fault("query quality", "a whole number from 1 to 100 is expected"))
    return None
