"""An adapter's own keys in `[[source]]`, beside those that the guarded client reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TypeVar

import msgspec

from adapters.transport.client import OPTIONS
from service.ingest.source import Fatal, SourceConfig

T = TypeVar("T", bound=msgspec.Struct)


def own_options(
    config: SourceConfig, kind: type[T], ranges: Mapping[str, tuple[float, float]], shared: Collection[str] = OPTIONS
) -> T:
    """The options of a source as a `kind`, numbers within `ranges`; those in `shared` are read by others. Raises Fatal
    `bad-option` naming the key."""
    own = {key: value for key, value in config.options.items() if key not in shared}
    known = [*kind.__struct_fields__, *shared]
    for key in own:
        if key not in known:
            near = get_close_matches(key, known, 1)
            raise bad_option(config, f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    try:
        options = msgspec.convert(own, kind)
    except msgspec.ValidationError as error:
        raise bad_option(config, str(error)) from None
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        if not low <= value <= high:
            raise bad_option(config, f"{name} is {value}; {low} to {high} is expected")
    return options


def check_types(config: SourceConfig, types: Collection[str], known: Collection[str]) -> None:
    """Raises Fatal `bad-option` for a resource type that nobody here reads."""
    if unknown := [one for one in types if one not in known]:
        raise bad_option(config, f"types names {unknown[0]!r}; those that are used are {', '.join(known)}")


def bad_option(config: SourceConfig, why: str) -> Fatal:
    """What is raised for an option that cannot be used."""
    return Fatal("bad-option", f"options of a {config.kind} source: {why}")
