"""The adapter's own keys in `[[source]]`, checked when the source is opened."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from adapters.transport.options import bad_option, own_options
from service.ingest.source import SourceConfig

AE_TITLE = "an AE title has 1 to 16 printable ASCII characters and no backslash"

_RANGES = {
    "days_back": (0, 366), "sweep_days": (0, 400), "receive_port": (0, 65_535), "headers_per_series": (1, 1000),
    "batch_records": (1, 500),
}  # fmt: skip
_ROUND = (100, 200, 250, 256, 300, 400, 500, 1000, 1024, 2000, 2500, 4096, 5000, 10000)
_AET = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")  # PS3.5 6.2, AE
_Ascii = Annotated[str, msgspec.Meta(pattern="^[ -~]*$")]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an archive is to be asked; README.md says when to change what."""

    calling_aet: str = "TESTONCE"
    since: date | None = None  # the first run begins with this StudyDate; None: 30 days ago
    days_back: int = 3  # days before the last one that every run reads again
    sweep_days: int = 30  # older days, of which each run asks for one again
    retrieve: Literal["get", "move", "none"] = "get"
    receive_host: _Ascii = ""  # where our receiver listens; "": at all addresses
    receive_port: int = 0  # 0: any free one
    receive_aet: str = ""  # "": as calling_aet
    allowed_aets: tuple[str, ...] = ()  # who may push besides the archive
    headers_per_series: int = 32  # of a series in which each instance may say something else
    batch_records: int = 200
    round_limits: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = _ROUND  # where an archive may have stopped
    default_charset: _Ascii = ""  # a defined term (PS3.3 C.12.1.1.2) for answers that declare none


def read_options(config: SourceConfig) -> Options:
    """The options of a source. Raises Fatal `bad-option` naming the key."""
    given = {key: _stripped(value) if "_aet" in key else value for key, value in config.options.items()}
    options = own_options(replace(config, options=given), Options, _RANGES, shared=())
    titles = {"calling_aet": [options.calling_aet], "allowed_aets": options.allowed_aets}
    if "receive_aet" in given:
        titles["receive_aet"] = [options.receive_aet]
    for name, several in titles.items():
        if not all(map(is_ae_title, several)):
            raise bad_option(config, f"{name}: {AE_TITLE}")
    if options.retrieve == "move" and not options.receive_port:
        raise bad_option(config, 'receive_port is needed with retrieve = "move": the archive sends to it')
    return options


def is_ae_title(text: str) -> bool:
    """Whether it is one, blanks around it taken off (PS3.5 6.2)."""
    return _AET.fullmatch(text) is not None


def _stripped(value: Any) -> Any:
    """AE titles without the blanks around them, which mean nothing."""
    if isinstance(value, list | tuple):
        return [_stripped(one) for one in value]
    return value.strip() if isinstance(value, str) else value
