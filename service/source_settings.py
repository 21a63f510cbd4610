"""`[[source]]` of the settings: where a hospital system is, how it is spoken to, how often, and what it may cost."""

from __future__ import annotations

import os
import re
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from service.domain.errors import Unavailable
from service.domain.times import Duration

_NAME = r"^[a-z0-9][a-z0-9-]{0,63}$"
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


def _span(text: object) -> timedelta:
    if isinstance(text, timedelta):
        return text
    found = Duration.parse(str(text))
    if found.months:
        raise ValueError("a span of days, hours, minutes or seconds is expected, such as PT5M")
    return found.span


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone of the IANA database, such as Asia/Shanghai") from None
    return name


def _hours(text: str) -> str:
    if not _HOURS.fullmatch(text):
        raise ValueError("hours of the day are expected, such as 22:00-06:00")
    return text


Span = Annotated[timedelta, BeforeValidator(_span)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Secret(_Model):
    """Where a credential stands: the name of an environment variable, or a file. Never the credential itself."""

    env: str = ""
    file: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if bool(self.env) == (self.file is not None):
            raise ValueError(
                'expected one of {env = "NAME"} or {file = "path"}: a credential never stands in the settings'
            )
        return self

    def read(self, what: str) -> str:
        """The credential; Unavailable with its place where it is absent or empty."""
        if self.env:
            value, place = os.environ.get(self.env, ""), f"environment variable {self.env}"
        else:
            assert self.file is not None
            place = f"file {self.file}"
            try:
                value = self.file.expanduser().read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                value = ""
        if not value:
            raise Unavailable(f"{what} is not there: {place} is absent, unreadable or empty")
        return value


class CredentialSettings(_Model):
    """How the source believes us. Which secrets: basic `username`, `password`; bearer `token`; client-credentials
    `client_id`, `client_secret`; smart-backend `client_id`, `private_key` (PEM or JWK), `key_id`."""

    kind: Literal["none", "basic", "bearer", "client-credentials", "smart-backend"] = "none"
    secrets: dict[str, Secret] = Field(default_factory=dict)


class LimitSettings(_Model):
    """What the source may cost the hospital, and us."""

    connections: int = Field(default=2, ge=1, le=32)
    requests_per_second: float = Field(default=20.0, gt=0, le=10_000)
    connect_seconds: float = Field(default=5.0, gt=0, le=120)
    read_seconds: float = Field(default=30.0, gt=0, le=3600)
    answer_seconds: float = Field(default=300.0, gt=0, le=86_400)
    answer_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    record_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    pages: int = Field(default=10_000, ge=1)
    run_seconds: float = Field(default=6 * 3600.0, gt=0)
    retries: int = Field(default=4, ge=0, le=20)


class SourceSettings(_Model):
    """One hospital system that is pulled from."""

    name: str = Field(pattern=_NAME, description="Its name here: a to z, 0 to 9 and -.")
    kind: str = Field(pattern=r"^[a-z0-9-]{1,20}$", description="The adapter: fhir, fhir-bulk, dicomweb, dimse.")
    institution: str = Field(pattern=_NAME, description="Whose records these are: an id of the network file.")
    address: str = Field(description="Base URL (http, https), or dicom://AET@host:port (dicoms:// for TLS).")
    enabled: bool = Field(default=True, description="False: it is not pulled; images it holds are still given out.")
    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None, description="For times without an offset; absent: the network's."
    )
    every: Span = Field(default=timedelta(minutes=5), description="How often it is pulled, such as PT5M.")
    hours: Annotated[str, AfterValidator(_hours)] | None = Field(
        default=None, description="Hours of the day in which it may be pulled, such as 22:00-06:00; absent: always."
    )
    overlap: Span = Field(default=timedelta(minutes=10), description="How far back each run asks again.")
    expect_every: Span = Field(
        default=timedelta(days=1), description="A source that gives nothing new for longer is reported as silent."
    )
    allow_private: bool = Field(default=True, description="False: addresses of private networks are refused.")
    mapping: Path | None = Field(default=None, description="Its mapping profile (TOML): local codes.")
    ca_file: Path | None = Field(default=None, description="Certificates that its server is believed by.")
    client_certificate: Path | None = Field(default=None, description="Our certificate (PEM), where it asks for one.")
    client_key: Path | None = Field(default=None, description="The key of our certificate (PEM).")
    credentials: CredentialSettings = CredentialSettings()
    limits: LimitSettings = LimitSettings()
    options: dict[str, Any] = Field(default_factory=dict, description="The adapter's own keys: see its README.")

    @model_validator(mode="after")
    def _address(self) -> SourceSettings:
        try:
            parts = urlsplit(self.address)
            port = parts.port
        except ValueError:
            raise ValueError("address: not an address") from None
        if parts.scheme in ("dicom", "dicoms"):
            if not (parts.username and parts.hostname and port) or parts.password or parts.path.strip("/"):
                raise ValueError("address: dicom://AET@host:port is expected")
        elif parts.scheme in ("http", "https"):
            if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
                raise ValueError("address: a base URL without user, query or fragment is expected")
        else:
            raise ValueError("address: it starts with http://, https://, dicom:// or dicoms://")
        return self

    def may_run(self, local: datetime) -> bool:
        """Whether the source may be pulled at this local time; hours may cross midnight."""
        if self.hours is None:
            return True
        h1, m1, h2, m2 = map(int, _HOURS.fullmatch(self.hours).groups())  # type: ignore[union-attr]
        now = local.time()
        start = time(h1, m1)
        if h2 == 24:
            return start <= now
        end = time(h2, m2)
        return start <= now < end if start <= end else now >= start or now < end
