"""The one settings object: a TOML file, each key overridable by an environment variable `TESTONCE_<KEY>`."""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from service.domain.errors import Fault, InvalidInput
from service.source_settings import SourceSettings

CONFIG_VARIABLE = "TESTONCE_CONFIG"


def default_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The platform's folder for a user's data (XDG Base Directory on Linux)."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "testonce"
    base = environment.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "testonce"


class Settings(BaseSettings):
    """Every setting with its default. Read once at the start, then frozen."""

    model_config = SettingsConfigDict(env_prefix="TESTONCE_", frozen=True, extra="forbid", env_ignore_empty=True)

    home: Path = Field(
        default_factory=default_home, description="Folder for everything the embedded default writes: database, keys."
    )
    database_url: str = Field(
        default="", description="SQLAlchemy URL of the database. Empty: SQLite, `testonce.db` in the home folder."
    )
    keys_file: Path | None = Field(
        default=None, description="The key file, readable by its owner only. Absent: `keys.json` in the home folder."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="The address callers reach the service at; links start with it."
    )
    language: Literal["zh", "en"] = Field(
        default="zh",
        description="Language of texts where the caller asks for none: `zh` or `en`. "
        "`testonce match` asks by `--lang`, else by the locale (`LC_ALL`, `LC_MESSAGES`, `LANG`).",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Server processes of `testonce serve`.")
    threads: int = Field(
        default=8, ge=1, le=64, description="Threads of one process that answer; those waiting share a commit."
    )
    max_body_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="Largest request body; a larger one is answered 413."
    )
    max_file_bytes: int = Field(
        default=512 * 1024 * 1024, ge=1024, description="Largest file `testonce load` reads; a larger one is rejected."
    )
    max_in_flight: int = Field(
        default=256, ge=1, description="Requests one process works on at once; beyond it answers 503 with Retry-After."
    )
    rate_limit: int = Field(
        default=0, ge=0, description="Requests per minute and caller in one process, then 429. 0: no limit."
    )
    token_minutes: int = Field(
        default=60, ge=1, le=525_600, description="Life of a token of `testonce token`, in minutes."
    )
    image_cache_bytes: int = Field(
        default=2 * 1024**3,
        ge=0,
        description="Bytes of pictures and images kept an hour, sealed, under `images` in the home folder. 0: none.",
    )
    renderers: int = Field(
        default=1, ge=1, le=16, description="Child processes of one process that draw what an archive cannot."
    )
    slow_link_mbits: float = Field(
        default=50.0,
        ge=0,
        description="Mbit/s; a requester that takes images slower gets them compressed without loss where it takes "
        "any form. 0: never.",
    )
    source: tuple[SourceSettings, ...] = Field(
        default=(), description="Hospital systems that are pulled from: `[[source]]`, see docs/sources.md."
    )

    @field_validator("source")
    @classmethod
    def _names_differ(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [one.name for one in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are named {', '.join(twice)}")
        return sources

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file, which arrives as init values."""
        return env_settings, init_settings

    @property
    def resolved_database_url(self) -> str:
        """The database URL, the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.home.expanduser().resolve() / 'testonce.db'}"

    @property
    def resolved_keys_file(self) -> Path:
        """The key file, the default filled in."""
        return (self.keys_file or self.home / "keys.json").expanduser()

    @property
    def checkpoint_file(self) -> Path:
        """Where the audit log's last known end is kept, outside the database; one file for each database."""
        if not self.database_url:
            return self.home.expanduser() / "audit-head.json"
        url = urlsplit(self.database_url)
        place = f"{url.netloc.rpartition('@')[2]}{url.path}?{url.query}"  # who connects plays no part
        return self.home.expanduser() / f"audit-head-{hashlib.sha256(place.encode()).hexdigest()[:12]}.json"


def load_settings(config: Path | None = None) -> Settings:
    """Reads the file (`config`, else TESTONCE_CONFIG, else none) and the environment.

    Raises InvalidInput naming each key that is unknown or has a wrong value. Relative paths in the file count from
    the file's folder.
    """
    path = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    values = _read_file(path) if path else {}
    try:
        return Settings(**values)
    except ValidationError as error:
        where = str(path) if path else "environment"
        faults = [_fault(where, values, one["loc"], one["msg"]) for one in error.errors()]
        raise InvalidInput("the settings cannot be used", faults) from None


def unknown_variables(environment: Mapping[str, str]) -> list[Fault]:
    """The `TESTONCE_` variables that are no setting: a misspelled one is passed over in silence."""
    known = {CONFIG_VARIABLE, *(f"TESTONCE_{key.upper()}" for key in Settings.model_fields)}
    faults = []
    for name in sorted(environment):
        if name.upper().startswith("TESTONCE_") and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), sorted(known), 1)
            faults.append(Fault(f"environment {name}", f"did you mean {near[0]}?" if near else "no such setting"))
    return faults


def _read_file(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.expanduser().read_text("utf-8"))
    except OSError as error:
        raise InvalidInput(f"the settings file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the settings file {path} is not TOML: {error}") from None
    unknown = [key for key in raw if key not in Settings.model_fields]
    if unknown:
        raise InvalidInput("the settings cannot be used", [_unknown(path, key) for key in unknown])
    for key in ("home", "keys_file"):
        if isinstance(raw.get(key), str):
            raw[key] = _beside(path, raw[key])
    for source in raw["source"] if isinstance(raw.get("source"), list) else ():
        _place_files(path, source)
    return raw


_FILES_OF_A_SOURCE = ("mapping", "ca_file", "client_certificate", "client_key")


def _place_files(path: Path, source: object) -> None:
    """Makes the relative paths of a `[[source]]` count from the folder of the settings file `path`."""
    if not isinstance(source, dict):
        return
    for key in _FILES_OF_A_SOURCE:
        if isinstance(source.get(key), str):
            source[key] = _beside(path, source[key])
    credentials = source.get("credentials")
    secrets = credentials.get("secrets") if isinstance(credentials, dict) else None
    for secret in secrets.values() if isinstance(secrets, dict) else ():
        if isinstance(secret, dict) and isinstance(secret.get("file"), str):
            secret["file"] = _beside(path, secret["file"])


def _beside(path: Path, text: str) -> Path:
    return path.expanduser().resolve().parent / Path(text).expanduser()


def _unknown(path: Path, key: str) -> Fault:
    near = difflib.get_close_matches(key, Settings.model_fields, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(Settings.model_fields)}"
    return Fault(f"{path} {key}", f"unknown setting; {hint}")


def _fault(where: str, values: Mapping[str, Any], loc: tuple[int | str, ...], message: str) -> Fault:
    key = str(loc[0]) if loc else ""
    name = f"TESTONCE_{key.upper()}"
    inside = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in loc[1:])
    place = f"{where} {key}{inside}" if key in values and name not in os.environ else f"environment {name}"
    return Fault(place, message.removeprefix("Value error, "))
