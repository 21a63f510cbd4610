"""Who may ask the fake FHIR server: everybody, holders of one fixed header, or of tokens that its own endpoint grants
to clients that sign for themselves (SMART App Launch 2, Backend Services) or know a secret (RFC 6749 section 4.4)."""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt

from tests.support.fhir_answers import Answer

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Tokens:
    """The guard at the door. As made it lets everybody in."""

    def __init__(self, origin: str) -> None:
        self.url = f"{origin}/token"
        self.header = ""
        """The one Authorization header that is let in; "": any."""
        self.keys: dict[str, Any] = {}
        """Public keys of clients that sign, by client id; where there are any, a granted token is needed."""
        self.passwords: dict[str, str] = {}
        """Secrets of clients that know one, by client id; likewise."""
        self.granted: list[str] = []
        self.lifetime = 300
        self._until: dict[str, float] = {}
        self._used: set[str] = set()

    def configuration(self) -> dict[str, Any]:
        """`.well-known/smart-configuration`."""
        return {
            "token_endpoint": self.url,
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "grant_types_supported": ["client_credentials"],
            "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        }

    def admits(self, header: str) -> bool:
        """Whether a request with this Authorization header is let in."""
        if self.header:
            return header == self.header
        if not (self.keys or self.passwords):
            return True
        return self._until.get(header.removeprefix("Bearer "), 0) > time.monotonic()

    def revoke(self) -> None:
        """Forgets every token."""
        self._until.clear()

    def grant(self, body: bytes, headers: dict[str, str]) -> Answer:
        """A token for who proves to be a client; else RFC 6749's error."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return Answer.of({"error": "unsupported_grant_type"}, 400)
        if not (self._is_signed(form) or self._knows_secret(form, headers)):
            return Answer.of({"error": "invalid_client"}, 400 if "client_assertion" in form else 401)
        token = secrets.token_urlsafe(24)
        self.granted.append(token)
        self._until[token] = time.monotonic() + self.lifetime
        told = {"access_token": token, "token_type": "bearer", "expires_in": self.lifetime}
        return Answer.of(told | {"scope": form.get("scope", "")}, 200, {"Cache-Control": "no-store"})

    def _is_signed(self, form: dict[str, str]) -> bool:
        given = form.get("client_assertion", "")
        try:
            client = jwt.decode(given, options={"verify_signature": False})["iss"]
            options: Any = {"require": ["iss", "sub", "aud", "exp", "jti"]}
            claims = jwt.decode(
                given, self.keys[client], algorithms=["RS384", "ES384"], audience=self.url, options=options
            )
        except (jwt.InvalidTokenError, KeyError):
            return False
        used = claims["jti"] in self._used
        self._used.add(claims["jti"])
        soon = claims["exp"] <= time.time() + 301  # at most five minutes
        return form.get("client_assertion_type") == _ASSERTION and claims["sub"] == client and soon and not used

    def _knows_secret(self, form: dict[str, str], headers: dict[str, str]) -> bool:
        client, password = form.get("client_id", ""), form.get("client_secret", "")
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            client, _, password = (unquote(one) for one in base64.b64decode(given).decode().partition(":"))
        return bool(password) and self.passwords.get(client) == password
