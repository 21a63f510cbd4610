"""Who we say we are: tokens are fetched once, renewed in time, and stay at home."""

from __future__ import annotations

import json
import threading
import time as wall
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters.transport import Answer, GuardedClient
from adapters.transport.auth import Grant, OAuth, TokenEndpoint
from service.ingest.source import Fatal, Limits, Retriable, SourceConfig, SourceError

SECRET = "s3cret-of-the-client"
TOKEN_URL = "http://auth.hospital/token"


class Hospital(httpx.BaseTransport):
    """A server with its token endpoint; `tokens` are those it takes."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.issued = 0
        self.tokens: set[str] = set()
        self.given: dict[str, Any] = {"token_type": "bearer", "expires_in": 300}
        self.refusal: httpx.Response | None = None
        self.discovered = TOKEN_URL
        self.pause = 0.0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if request.url.path.endswith("/smart-configuration"):
            return httpx.Response(200, json={"token_endpoint": self.discovered})
        if request.url.path == "/token":
            return self.refusal or self._issue()
        is_known = request.headers.get("authorization") in {f"Bearer {one}" for one in self.tokens}
        return httpx.Response(200 if is_known else 401)

    def _issue(self) -> httpx.Response:
        wall.sleep(self.pause)
        self.issued += 1
        token = f"tok{self.issued}"
        self.tokens.add(token)
        return httpx.Response(200, json={"access_token": token, **self.given})

    def asked_for_tokens(self) -> list[httpx.Request]:
        return [one for one in self.requests if one.url.path == "/token"]


def open_client(
    hospital: Hospital, credentials: str = "client-credentials", secrets: dict[str, str] | None = None,
    clock: Callable[[], float] = lambda: 0.0, **options: Any,
) -> GuardedClient:  # fmt: skip
    config = SourceConfig(
        "lis", "fhir", "hosp-a", "http://lis.hospital/fhir", credentials=credentials, options=options,
        secrets={"client_id": "me", "client_secret": SECRET} if secrets is None else secrets,
        limits=Limits(retries=1, requests_per_second=0),
    )  # fmt: skip
    return GuardedClient(config, network=hospital, clock=clock, sleep=lambda seconds: None)


def pem(key: Any) -> str:
    plain = serialization.NoEncryption()
    shown: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return shown.decode()


@pytest.mark.parametrize(("credentials", "secrets", "header"), [
    ("none", {}, None), ("bearer", {"token": "abc"}, "Bearer abc"),
    ("basic", {"username": "医", "password": "p:w"}, "Basic 5Yy7OnA6dw=="),
])  # fmt: skip
def test_fixed_credentials_go_along(credentials: str, secrets: dict[str, str], header: str | None) -> None:
    hospital = Hospital()
    open_client(hospital, credentials, secrets).get("Patient", expect={401})
    assert hospital.requests[0].headers.get("authorization") == header
    assert len(hospital.requests) == 1


@pytest.mark.parametrize(("credentials", "secrets", "named"), [
    ("basic", {"username": "a"}, "password"), ("bearer", {}, "token"), ("bearer", {"token": "a\nb"}, "token"),
    ("client-credentials", {"client_id": "a"}, "client_secret"), ("smart-backend", {"client_id": "a"}, "private_key"),
    ("smart-backend", {"client_id": "a", "private_key": "not a key"}, "private_key"), ("kerberos", {}, "kerberos"),
])  # fmt: skip
def test_missing_or_unusable_secret_is_named_when_the_source_is_opened(
    credentials: str, secrets: dict[str, str], named: str
) -> None:
    with pytest.raises(Fatal, match=named) as caught:
        open_client(Hospital(), credentials, secrets, token_url=TOKEN_URL)
    assert caught.value.code == "bad-credentials"
    assert "not a key" not in str(caught.value)


def test_client_credentials_are_shown_to_the_token_endpoint_only() -> None:
    hospital = Hospital()
    client = open_client(hospital, token_url=TOKEN_URL, scope="system/*.read")
    client.get("Patient")
    client.get("Observation")
    token_request, *others = hospital.requests
    assert token_request.headers["authorization"].startswith("Basic ")
    assert parse_qs(token_request.content.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["system/*.read"],
    }
    assert [one.headers["authorization"] for one in others] == ["Bearer tok1"] * 2


def test_client_credentials_may_go_in_the_form() -> None:
    hospital = Hospital()
    open_client(hospital, token_url=TOKEN_URL, token_auth="post").get("Patient")
    form = parse_qs(hospital.requests[0].content.decode())
    assert (form["client_id"], form["client_secret"]) == (["me"], [SECRET])
    assert "authorization" not in hospital.requests[0].headers


@pytest.mark.parametrize(("make", "algorithm"), [
    (lambda: rsa.generate_private_key(65537, 2048), "RS384"),
    (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
])  # fmt: skip
@pytest.mark.parametrize("form_of_key", ["pem", "jwk"])
def test_smart_backend_signs_an_assertion_of_its_own_each_time(
    make: Callable[[], Any], algorithm: str, form_of_key: str
) -> None:
    key, hospital, now = make(), Hospital(), [0.0]
    signer = jwt.get_algorithm_by_name(algorithm)
    text = pem(key) if form_of_key == "pem" else json.dumps({**json.loads(signer.to_jwk(key)), "kid": "k1"})
    secrets = {"client_id": "me", "private_key": text} | ({"key_id": "k1"} if form_of_key == "pem" else {})
    client = open_client(hospital, "smart-backend", secrets, clock=lambda: now[0], token_hosts=["http://auth.hospital"])
    client.get("Patient")
    now[0] = 1000.0
    client.get("Patient")
    seen = []
    for request in hospital.asked_for_tokens():
        form = {name: value for name, (value,) in parse_qs(request.content.decode()).items()}
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert jwt.get_unverified_header(form["client_assertion"]) == {"alg": algorithm, "kid": "k1", "typ": "JWT"}
        claims = jwt.decode(form["client_assertion"], key.public_key(), [algorithm], audience=TOKEN_URL)
        assert claims["iss"] == claims["sub"] == "me"
        assert 0 < claims["exp"] - wall.time() <= 300
        seen.append(claims["jti"])
    assert len(set(seen)) == 2


def test_audience_of_an_assertion_is_written_as_the_server_writes_it() -> None:
    key, hospital = ec.generate_private_key(ec.SECP384R1()), Hospital()
    hospital.discovered = "http://AUTH.hospital:80/token?tenant=7"
    secrets = {"client_id": "me", "private_key": pem(key)}
    open_client(hospital, "smart-backend", secrets, token_hosts=["http://auth.hospital"]).get("Patient")
    (request,) = hospital.asked_for_tokens()
    assertion = parse_qs(request.content.decode())["client_assertion"][0]
    assert jwt.decode(assertion, key.public_key(), ["ES384"], audience=hospital.discovered)["sub"] == "me"
    assert str(request.url) == "http://auth.hospital/token?tenant=7"


def test_key_of_a_kind_smart_does_not_allow_is_refused() -> None:
    key = pem(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Fatal, match="P-384"):
        open_client(Hospital(), "smart-backend", {"client_id": "me", "private_key": key})


@pytest.mark.parametrize("discovered", [
    "http://evil.example/token", "https://auth.hospital/token", "http://auth.hospital:81/token", "http://lis.hospital.evil/t",
    "file:///etc/passwd",
])  # fmt: skip
def test_token_endpoint_named_by_the_server_must_lie_on_a_listed_host(discovered: str) -> None:
    hospital = Hospital()
    hospital.discovered = discovered
    with pytest.raises(Fatal) as caught:
        open_client(hospital, token_hosts=["http://auth.hospital"]).get("Patient")
    assert caught.value.code in ("foreign-address", "bad-address")
    assert [one.url.path for one in hospital.requests] == ["/fhir/.well-known/smart-configuration"]


def test_token_is_renewed_shortly_before_its_end() -> None:
    hospital, now = Hospital(), [0.0]
    client = open_client(hospital, clock=lambda: now[0], token_url=TOKEN_URL)
    for moment, issued in ((0, 1), (239, 1), (240, 2), (479, 2), (480, 3)):
        now[0] = moment
        client.get("Patient")
        assert hospital.issued == issued


@pytest.mark.parametrize(
    ("life", "renewed_at"),
    [("3600", 3540), (None, 240), ("soon", 240), (-5, 1), ([], 240), (10**300, 86340), (10**400, 240), ("nan", 240)],
)
def test_life_of_a_token_is_read_within_bounds(life: Any, renewed_at: float) -> None:
    hospital, now = Hospital(), [0.0]
    hospital.given = {} if life is None else {"expires_in": life}
    client = open_client(hospital, clock=lambda: now[0], token_url=TOKEN_URL)
    for moment, issued in ((0.0, 1), (renewed_at - 0.5, 1), (renewed_at, 2)):
        now[0] = moment
        client.get("Patient")
        assert hospital.issued == issued


def test_refused_token_is_renewed_once_and_then_given_up() -> None:
    hospital = Hospital()
    client = open_client(hospital, token_url=TOKEN_URL)
    client.get("Patient")
    hospital.tokens.clear()
    assert client.get("Patient").status == 200
    assert hospital.issued == 2
    hospital._issue = lambda: httpx.Response(200, json={"access_token": "never-known"})  # type: ignore[method-assign]
    hospital.tokens.clear()
    before = len(hospital.requests)
    with pytest.raises(Fatal) as caught:
        client.get("Patient")
    assert (caught.value.code, len(hospital.requests) - before) == ("unauthorised", 3)


def test_threads_that_need_a_token_wait_for_the_one_that_fetches_it() -> None:
    hospital = Hospital()
    hospital.pause = 0.05
    client = open_client(hospital, token_url=TOKEN_URL)
    threads = [threading.Thread(target=client.get, args=("Patient",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (hospital.issued, len(hospital.requests)) == (1, 9)


def test_token_that_another_thread_has_renewed_is_kept() -> None:
    hospital = Hospital()
    keeper = OAuth(
        Grant(lambda: TokenEndpoint(TOKEN_URL, TOKEN_URL), lambda audience: ({}, {})),
        lambda method, url, headers, content: Answer(200, {}, hospital._issue().content),
        lambda: 0.0,
    )
    first = keeper.value()
    assert first is not None
    assert keeper.renew(first)
    second = keeper.value()
    assert keeper.renew(first)
    assert (keeper.value(), hospital.issued) == (second, 2)


@pytest.mark.parametrize(("response", "kind", "code"), [
    (httpx.Response(400, json={"error": "invalid_client", "error_description": SECRET}), Fatal, "unauthorised"),
    (httpx.Response(401, json={"error": f"x {SECRET}"}), Fatal, "unauthorised"),
    (httpx.Response(200, json={"access_token": "a b"}), Fatal, "bad-token"),
    (httpx.Response(200, json={}), Fatal, "bad-token"),
    (httpx.Response(200, text=f"<html>{SECRET}"), Retriable, "not-json"),
    (httpx.Response(200, json=[]), Retriable, "not-json"), (httpx.Response(503), Retriable, "unavailable"),
    (httpx.Response(302, headers={"Location": "http://evil.example"}), Fatal, "redirected"),
])  # fmt: skip
def test_token_endpoint_that_refuses_or_stumbles_is_told_without_what_it_said(
    response: httpx.Response, kind: type[SourceError], code: str
) -> None:
    hospital = Hospital()
    hospital.refusal = response
    with pytest.raises(kind) as caught:
        open_client(hospital, token_url=TOKEN_URL).get("Patient")
    assert caught.value.code == code
    assert SECRET not in f"{caught.value}{caught.value.__cause__}{caught.value.__context__}"


def test_token_does_not_go_to_hosts_of_files() -> None:
    hospital = Hospital()
    client = open_client(hospital, token_url=TOKEN_URL, file_hosts=["http://files.hospital"])
    with client.get_file("http://files.hospital/1", authorised=True, expect={401}) as answer:
        assert answer.status == 401
    assert [(one.url.host, "authorization" in one.headers) for one in hospital.requests] == [("files.hospital", False)]


def test_nothing_shows_a_secret() -> None:
    client = open_client(Hospital(), token_url=TOKEN_URL)
    client.get("Patient")
    shown = repr(client) + repr(vars(client)) + repr(client.get("Patient"))
    assert SECRET not in shown
    assert "tok1" not in shown
