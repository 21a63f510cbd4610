"""The container files hold together: what they copy, name, mount and start exists, and nothing in them is secret."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.bootstrap import find_adapter
from service.cli import COMMANDS
from service.settings import CONFIG_VARIABLE, Settings, load_settings
from tests.docs.test_commands import find_command
from tests.support.yaml_subset import read_yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE = read_yaml((DOCKER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == "testonce:local"}
DOCKERFILE = (DOCKER / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
STEPS = [(one.split()[0], one) for one in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", one)]
PINNED = re.compile(r"[a-z0-9./-]+:\d+\.\d+\.?\d*[a-z0-9.-]*")


def steps(name: str) -> list[str]:
    """The Dockerfile's instructions of this name."""
    return [line for step, line in STEPS if step == name]


def test_images_are_pinned_to_a_version() -> None:
    images = [line.split()[1] for line in steps("FROM")]
    images += [one["image"] for name, one in SERVICES.items() if name not in OURS]
    assert len(images) >= 4
    assert [one for one in images if not PINNED.fullmatch(one)] == []


def test_image_does_not_run_as_root() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    users = re.findall(r"(?m)^USER (\S+)", last)
    assert users
    assert all(one.isdigit() and int(one) > 0 for one in users)
    assert last.index("USER ") < last.index("ENTRYPOINT ")


def test_everything_copied_exists_and_reaches_the_builder() -> None:
    allowed = [one[1:] for one in (ROOT / ".dockerignore").read_text().splitlines() if one.startswith("!")]
    copied = [part for line in steps("COPY") if "--from=" not in line for part in line.split()[1:-1] if part[0] != "-"]
    assert copied
    assert [one for one in copied if not (ROOT / one.rstrip("/")).exists()] == []
    assert [one for one in copied if not any(Path(one).is_relative_to(keep) for keep in allowed)] == []


def test_packages_come_from_the_lock_with_hashes() -> None:
    installs = [line for line in steps("RUN") if "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-deps" in installs[1]


def test_health_is_readiness() -> None:
    (check,) = steps("HEALTHCHECK")
    assert "/readyz" in check


def test_every_variable_named_is_a_setting() -> None:
    known = {CONFIG_VARIABLE, *(f"TESTONCE_{key.upper()}" for key in Settings.model_fields)}
    texts = [path.read_text("utf-8") for path in DOCKER.iterdir() if path.is_file()]
    named = {one for text in texts for one in re.findall(r"\bTESTONCE_[A-Z_]+", text)}
    assert {CONFIG_VARIABLE, "TESTONCE_HOME"} <= named <= known


@pytest.mark.parametrize("name", OURS)
def test_command_of_each_service_exists(name: str) -> None:
    words = OURS[name]["command"]
    if words[:2] == ["python", "-m"]:
        assert (ROOT / words[2].replace(".", "/") / "__main__.py").exists()
        source = (ROOT / words[2].replace(".", "/") / "__main__.py").read_text("utf-8")
        assert [one for one in words[3:] if f'"{one.partition("=")[0]}"' not in source] == []
        return
    assert words[0] in COMMANDS
    command = find_command(words)
    known = {option for parameter in command.params for option in parameter.opts}
    assert [one for one in words if one.startswith("--") and one not in known] == []


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_and_write_nowhere_else(name: str) -> None:
    one = OURS[name]
    assert (one["read_only"], one["cap_drop"], one["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert "no-new-privileges:true" in one["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_uses_is_declared(name: str) -> None:
    one = SERVICES[name]
    for kind in ("secrets", "configs"):
        used = {use if isinstance(use, str) else use["source"] for use in one.get(kind, ())}
        assert used <= COMPOSE[kind].keys()
    assert {volume.partition(":")[0] for volume in one.get("volumes", ())} <= COMPOSE["volumes"].keys()
    assert set(one["networks"]) <= COMPOSE["networks"].keys()
    assert set(one.get("depends_on", ())) <= SERVICES.keys()


def test_only_the_service_is_published_and_on_loopback_only() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert list(published) == ["service"]
    assert all(port.startswith("127.0.0.1:") for port in published["service"])
    assert all(
        COMPOSE["networks"][net].get("internal")
        for name, one in SERVICES.items()
        for net in one["networks"]
        if name != "service"
    )


def test_mounted_files_exist_and_secrets_are_made_and_never_in_git(tmp_path: Path) -> None:
    script = tmp_path / "docker" / "make-secrets.sh"
    script.parent.mkdir()
    script.write_bytes((DOCKER / "make-secrets.sh").read_bytes())
    for _ in range(2):  # what is there stays
        subprocess.run(["sh", str(script)], check=True, capture_output=True, timeout=30)
    made = {path.name: path.read_text() for path in (script.parent / "secrets").iterdir()}
    assert {Path(one["file"]).name for one in COMPOSE["secrets"].values()} == made.keys()
    assert len({text for name, text in made.items() if name.endswith(("password", "token"))}) == 3
    assert json.loads(made["archive-users.json"])["RegisteredUsers"] == {"testonce": made["archive-password"]}
    assert (script.parent / "secrets").stat().st_mode & 0o077 == 0
    assert all((DOCKER / one["file"]).exists() for one in COMPOSE["configs"].values())
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_no_password_stands_in_a_file() -> None:
    for path in (one for one in DOCKER.iterdir() if one.is_file() and one.suffix in (".yaml", ".toml", ".json")):
        text = path.read_text("utf-8")
        assert not re.search(r"(?i)password\"?[ ]*[:=][ ]*\"?(?!/run/secrets|\{ ?file)\w+", text), path.name
        assert not re.search(r"://[^/\s\"]*:[^/\s\"]*@", text), path.name


def test_settings_are_read_and_their_addresses_and_secrets_are_the_composes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TESTONCE_{name.upper()}", raising=False)
    settings = load_settings(DOCKER / "testonce.toml")
    assert urlsplit(settings.database_url).hostname in SERVICES
    assert {one.kind for one in settings.source} == {"fhir", "dicomweb"}
    for source in settings.source:
        find_adapter(source.kind)
        assert urlsplit(source.address).hostname in SERVICES
        for secret in source.credentials.secrets.values():
            assert secret.file is not None
            assert secret.file.parts[1:3] == ("run", "secrets")
            assert {secret.file.name} <= set(OURS["worker"]["secrets"]) & set(OURS["service"]["secrets"])


def test_archive_is_told_the_address_that_the_sources_use() -> None:
    archive = json.loads((DOCKER / "orthanc.json").read_text())
    source = next(one for one in load_settings(DOCKER / "testonce.toml").source if one.kind == "dicomweb")
    assert f"http://{archive['DicomWeb']['Host']}{archive['DicomWeb']['Root']}".rstrip("/") == source.address
    assert archive["DicomServerEnabled"] is False
