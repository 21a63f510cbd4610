"""Who we say we are: nothing, a password, a token, or a token fetched with OAuth 2.

Credentials are `secrets` of the source, by name:

| credentials | secrets | options |
| --- | --- | --- |
| basic | username, password | |
| bearer | token | |
| client-credentials (RFC 6749 4.4) | client_id, client_secret | token_url, scope, token_auth: basic or post |
| smart-backend (SMART Backend Services 2.0) | client_id, private_key (PEM, JWK), key_id | token_url, scope |

Without `token_url` it is read from `.well-known/smart-configuration` below the source's address; what stands there must
lie on the source's own origin or on one listed in `token_hosts`.
"""

from __future__ import annotations

import base64
import json
import math
import re
import secrets as randomness
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.transport.answers import Answer
from adapters.transport.patience import Clock
from adapters.transport.urls import Base, join_url, parse_bases, split_url
from service.ingest.source import Fatal, Retriable, SourceConfig

Ask = Callable[[str, str, Mapping[str, str], bytes], Answer]
"""(method, URL, headers, content): one exchange without a token; 400 and 401 are given back."""

ASSERTION_SECONDS = 240  # SMART Backend Services: at most five minutes
_NO_LIFE_SAID = 300.0
_EARLY = 60.0  # seconds before its end, or a fifth of its life, a token is renewed
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_ERROR = re.compile(r"[a-z_]{1,40}")
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Keeper(Protocol):
    """Keeps the value of the Authorization header."""

    def value(self) -> str | None:
        """The value to send now; None: none. Raises SourceError where it has to be fetched and cannot."""

    def renew(self, refused: str) -> bool:
        """Forgets a value the server refused; whether another can be had."""


class Fixed:
    """A value that never changes."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def value(self) -> str | None:
        """The value."""
        return self._value

    def renew(self, refused: str) -> bool:
        """There is no other."""
        return False


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where a token is asked for, and how that address was written: so it stands in an assertion (`aud`)."""

    url: str
    written: str


@dataclass(frozen=True, slots=True)
class Grant:
    """How a token is asked for: where, and a form with its headers, made anew each time."""

    find: Callable[[], TokenEndpoint]
    make_form: Callable[[str], tuple[dict[str, str], dict[str, str]]]


class OAuth:
    """Fetches tokens, keeps one until shortly before its end; threads that need one wait for the one that fetches."""

    def __init__(self, grant: Grant, ask: Ask, clock: Clock) -> None:
        self._grant, self._ask, self._clock = grant, ask, clock
        self._value: str | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def value(self) -> str | None:
        """The token, fetched where there is none that lives on."""
        with self._lock:
            if self._value is None or self._clock() >= self._until:
                self._value, life = self._fetch()
                self._until = self._clock() + life - min(_EARLY, life / 5)
            return self._value

    def renew(self, refused: str) -> bool:
        """Forgets the token, unless another thread has renewed it meanwhile."""
        with self._lock:
            if self._value == refused:
                self._value = None
        return True

    def _fetch(self) -> tuple[str, float]:
        endpoint = self._grant.find()
        form, headers = self._grant.make_form(endpoint.written)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **headers}
        answer = self._ask("POST", endpoint.url, headers, urlencode(form).encode())
        given = _object(answer.body, "the token endpoint")
        if answer.status >= 400:
            code = given.get("error")
            shown = code if isinstance(code, str) and _ERROR.fullmatch(code) else "no reason"
            raise Fatal("unauthorised", f"the token endpoint refuses ({shown}); check credentials and scope")
        token, life = given.get("access_token"), given.get("expires_in")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise Fatal("bad-token", "the token endpoint gave no usable access_token")
        return f"Bearer {token}", _seconds(life)


def open_keeper(config: SourceConfig, own: Base, ask: Ask, clock: Clock) -> Keeper:
    """The keeper for a source's `credentials`. Raises Fatal `bad-credentials` naming the secret that is missing."""
    kind = config.credentials
    if kind == "none":
        return Fixed(None)
    if kind == "basic":
        pair = f"{_secret(config, 'username')}:{_secret(config, 'password')}"
        return Fixed("Basic " + base64.b64encode(pair.encode()).decode())
    if kind == "bearer":
        token = _secret(config, "token")
        if not _TOKEN.fullmatch(token):
            raise Fatal("bad-credentials", "the secret token holds blanks or characters a header cannot carry")
        return Fixed(f"Bearer {token}")
    if kind not in ("client-credentials", "smart-backend"):
        raise Fatal("bad-credentials", f"credentials = {kind!r} is not known; see the README of adapters/transport")
    make_form = _client_form(config) if kind == "client-credentials" else _smart_form(config)
    return OAuth(Grant(_token_endpoint(config, own, ask), make_form), ask, clock)


def _client_form(config: SourceConfig) -> Callable[[str], tuple[dict[str, str], dict[str, str]]]:
    identity, secret = _secret(config, "client_id"), _secret(config, "client_secret")
    form = {"grant_type": "client_credentials", **_scope(config, "")}
    if config.options.get("token_auth", "basic") == "post":
        return lambda audience: ({**form, "client_id": identity, "client_secret": secret}, {})
    pair = f"{quote(identity, safe='')}:{quote(secret, safe='')}"  # RFC 6749 2.3.1: form-encoded before base64
    header = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return lambda audience: (dict(form), dict(header))


def _smart_form(config: SourceConfig) -> Callable[[str], tuple[dict[str, str], dict[str, str]]]:
    identity = _secret(config, "client_id")
    key, algorithm, key_id = _signing_key(_secret(config, "private_key"), config.secrets.get("key_id"))

    def make(audience: str) -> tuple[dict[str, str], dict[str, str]]:
        now = int(time.time())
        claims = {
            "iss": identity, "sub": identity, "aud": audience, "iat": now, "exp": now + ASSERTION_SECONDS,
            "jti": randomness.token_urlsafe(24),
        }  # fmt: skip
        assertion = jwt.encode(claims, key, algorithm, headers={"kid": key_id} if key_id else None)
        form = {
            "grant_type": "client_credentials", **_scope(config, "system/*.read"),
            "client_assertion_type": _JWT_BEARER, "client_assertion": assertion,
        }  # fmt: skip
        return form, {}

    return make


def _signing_key(text: str, key_id: str | None) -> tuple[Any, str, str | None]:
    """The key with its algorithm (RS384 or ES384, those SMART asks clients for) and its id."""
    try:
        if text.lstrip().startswith("{"):
            described = jwt.PyJWK.from_json(text, algorithm="RS384" if '"RSA"' in text else "ES384")
            key, key_id = described.key, key_id or described.key_id
        else:
            key = load_pem_private_key(text.encode(), None)
    except Exception:  # whatever it is, its text may hold the key
        raise Fatal("bad-credentials", "the secret private_key is neither a PEM nor a JWK without a password") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return key, "RS384", key_id
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return key, "ES384", key_id
    raise Fatal("bad-credentials", "the secret private_key must be an RSA or a P-384 private key (RS384, ES384)")


def _token_endpoint(config: SourceConfig, own: Base, ask: Ask) -> Callable[[], TokenEndpoint]:
    """Finds the token endpoint: the setting, which is trusted, or what the server names on a listed host."""
    given = config.options.get("token_url")
    hosts = (own, *parse_bases(config.options.get("token_hosts", ()), "token_hosts"))
    if given is not None:
        fixed = TokenEndpoint(join_url(*split_url(str(given), "options.token_url")), str(given))
        return lambda: fixed

    def discover() -> TokenEndpoint:
        answer = ask("GET", f"{own.url}/.well-known/smart-configuration", {"Accept": "application/json"}, b"")
        named = _object(answer.body, ".well-known/smart-configuration").get("token_endpoint")
        if not isinstance(named, str):
            raise Fatal("no-token-endpoint", "the server names no token_endpoint; set options.token_url")
        target, query = split_url(named, "token_endpoint")
        if not any(target.has_origin_of(one) for one in hosts):
            raise Fatal("foreign-address", f"token_endpoint lies on {target.origin}; list it in options.token_hosts")
        return TokenEndpoint(join_url(target, query), named)

    return discover


def _secret(config: SourceConfig, name: str) -> str:
    value = config.secrets.get(name)
    if not value:
        raise Fatal("bad-credentials", f"credentials = {config.credentials!r} needs the secret {name}")
    return value


def _scope(config: SourceConfig, default: str) -> dict[str, str]:
    scope = str(config.options.get("scope", default))
    return {"scope": scope} if scope else {}


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Retriable("not-json", f"{what} gave no JSON object")
    return found


def _seconds(life: object) -> float:
    """`expires_in`, which some servers send as a string; five minutes where it is not said, or no number."""
    try:
        found = float(life) if isinstance(life, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return _NO_LIFE_SAID
    return _NO_LIFE_SAID if math.isnan(found) else min(max(found, 1.0), 24 * 3600.0)
