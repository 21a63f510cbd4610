"""From a `[[source]]` of the settings to what its adapter is opened with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from service.domain.errors import Fault, InvalidInput
from service.ingest.archive import ImageArchive
from service.ingest.source import Limits, RawRecord, Source, SourceConfig
from service.source_settings import SourceSettings

OpenSource = Callable[[SourceConfig], Source]
OpenArchive = Callable[[SourceConfig], ImageArchive]
OpenReceiver = Callable[[SourceConfig, Callable[[RawRecord], None]], AbstractContextManager[Any]]
"""Opens what listens; it calls its second argument with each record, which returns once that is stored."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What the package of a kind offers: how it is opened as a source; where it holds images, as an archive; where it
    can push, how it is listened to."""

    open_source: OpenSource
    open_archive: OpenArchive | None = None
    open_receiver: OpenReceiver | None = None


FindAdapter = Callable[[str], Adapter]
"""The adapter of a kind; InvalidInput when there is none."""


def resolve(source: SourceSettings, network_zone: ZoneInfo) -> SourceConfig:
    """What the source's adapter is opened with; Unavailable where a credential is not there."""
    secrets = {key: one.read(f"{key} of source {source.name}") for key, one in source.credentials.secrets.items()}
    return SourceConfig(
        name=source.name,
        kind=source.kind,
        institution=source.institution,
        address=source.address,
        zone=ZoneInfo(source.timezone) if source.timezone else network_zone,
        overlap=source.overlap,
        limits=limits_of(source),
        credentials=source.credentials.kind,
        secrets=secrets,
        options=source.options,
        allow_private=source.allow_private,
        ca_file=source.ca_file,
        client_certificate=source.client_certificate,
        client_key=source.client_key,
    )


def limits_of(source: SourceSettings) -> Limits:
    """What the source may cost the hospital, and us."""
    return Limits(**source.limits.model_dump())


def choose(sources: Sequence[SourceSettings], names: Sequence[str]) -> list[SourceSettings]:
    """The sources of these names, or all that are enabled; InvalidInput for a name that is not configured."""
    known: Mapping[str, SourceSettings] = {one.name: one for one in sources}
    if unknown := [name for name in names if name not in known]:
        hint = f"known are {', '.join(known)}" if known else "no [[source]] is configured"
        raise InvalidInput("no such source", [Fault(name, hint) for name in unknown])
    return [known[name] for name in names] if names else [one for one in sources if one.enabled]
