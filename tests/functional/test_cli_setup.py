"""The commands that set up, check and count, as a user types them."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.security.keys import KeyRing
from tests.support.serving import NETWORK, match_body


class Shell:
    """Runs `testonce` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        clean = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")}
        self.environment = clean | {"TESTONCE_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "160"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "from service.cli import main; main()", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A fresh home, nothing in it."""
    return Shell(tmp_path / "home")


@pytest.fixture
def ready(shell: Shell, tmp_path: Path) -> Shell:
    """Initialised, with a network."""
    (tmp_path / "network.toml").write_text(NETWORK, "utf-8")
    assert shell.run("init").returncode == 0
    done = shell.run("network", "load", str(tmp_path / "network.toml"))
    assert done.returncode == 0, done.stderr
    return shell


@pytest.mark.slow
def test_init_makes_keys_for_the_owner_only_and_is_safe_to_repeat(shell: Shell) -> None:
    assert shell.run("init").returncode == 0
    before = (shell.home / "keys.json").read_bytes()
    assert stat.S_IMODE((shell.home / "keys.json").stat().st_mode) == 0o600
    again = shell.run("init")
    assert again.returncode == 0
    assert "kept" in again.stdout
    assert (shell.home / "keys.json").read_bytes() == before


@pytest.mark.slow
def test_before_init_every_command_says_what_to_do(shell: Shell) -> None:
    for command in (["doctor"], ["stats"], ["audit", "verify"], ["token", "--institution", "x"], ["serve"]):
        done = shell.run(*command)
        assert done.returncode == 1, command
        assert "testonce init" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_network_with_faults_changes_nothing(ready: Shell, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(
        NETWORK.replace('region = "220200"', 'region = "2202"', 1) + "\n[[direction]]\nissuer_levle = 2\n", "utf-8"
    )
    done = ready.run("network", "load", str(bad))
    assert done.returncode == 2
    assert "issuer_levle" in done.stderr
    assert "2202" in done.stderr
    assert ready.run("network", "check", str(bad)).returncode == 2
    assert "3 institutions" in ready.run("doctor").stdout


@pytest.mark.slow
def test_doctor_is_content_and_then_names_the_key_file_others_can_read(ready: Shell) -> None:
    done = ready.run("doctor")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing is wrong")
    (ready.home / "keys.json").chmod(0o644)
    done = ready.run("doctor")
    assert done.returncode == 1
    assert "chmod 600" in done.stdout


@pytest.mark.slow
def test_token_is_for_institutions_of_the_network_only(ready: Shell) -> None:
    done = ready.run("token", "--institution", "county-hospital", "--role", "auditor", "--minutes", "1")
    assert done.returncode == 0
    assert done.stdout.count(".") == 2
    refused = ready.run("token", "--institution", "nowhere")
    assert refused.returncode == 2
    assert "nowhere" in refused.stderr


@pytest.mark.slow
def test_match_of_an_unknown_institution_is_wrong_input_with_the_likely_one(ready: Shell) -> None:
    for institution, hint in (("county-hospitl", "did you mean county-hospital?"), ("nope", "testonce network load")):
        done = ready.run("match", "--institution", institution, "--patient-id", "urn:x|1", "--order", "718-7")
        assert done.returncode == 2
        assert hint in done.stderr


@pytest.mark.slow
def test_match_hints_on_stderr_and_answers_all_the_same(ready: Shell) -> None:
    asked = ("match", "--institution", "county-hospital", "--patient-id", "urn:x|1", "--json", "--order", "ct.chest")
    done = ready.run(*asked)
    assert (done.returncode, json.loads(done.stdout)["orders"][0]["decision"]) == (0, "no-result")
    assert "did you mean CT.CHEST?" in done.stderr


@pytest.mark.slow
def test_serve_on_a_used_port_says_so_and_nothing_of_listening(ready: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = ready.run("serve", "--port", str(other.getsockname()[1]))
    assert (done.returncode, done.stdout) == (1, "")
    assert "address already in use; choose another with --port" in done.stderr


@pytest.mark.slow
def test_audit_verify_fails_on_an_altered_entry_and_names_it(ready: Shell) -> None:
    assert ready.run("token", "--institution", "county-hospital").returncode == 0
    done = ready.run("audit", "verify")
    assert done.returncode == 0
    assert "2 entries" in done.stdout
    with sqlite3.connect(ready.home / "testonce.db") as conn:
        conn.execute("UPDATE audit SET subject = 'x' WHERE seq = 2")
    done = ready.run("audit", "verify")
    assert done.returncode == 1
    assert "entry 2" in done.stderr


@pytest.mark.slow
def test_catalogue_shows_one_item_and_loads_changes_all_or_nothing(ready: Shell, tmp_path: Path) -> None:
    assert "Hemoglobin" in ready.run("catalogue", "show", "718-7").stdout
    assert "14682-9" in ready.run("catalogue", "show", "2160-0").stdout  # the same item in mg/dL
    assert ready.run("catalogue", "show", "none").returncode == 1
    bad = tmp_path / "items.csv"
    bad.write_text("nonsense\n1\n", "utf-8")
    assert ready.run("catalogue", "load", str(bad)).returncode == 2
    assert ready.run("doctor").returncode == 0


@pytest.mark.slow
def test_stats_in_every_form(ready: Shell) -> None:
    assert "prompts" in ready.run("stats").stdout
    assert json.loads(ready.run("stats", "--format", "json", "--by", "month").stdout)["total"]["prompts"] == 0
    assert ready.run("stats", "--format", "csv", "--by", "kind").stdout.startswith("kind,prompts")
    assert ready.run("stats", "--by", "patient").returncode == 2


@pytest.mark.slow
def test_config_option_works_before_and_after_the_command(ready: Shell, tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text("wrokers = 1\n", "utf-8")
    for arguments in (["--config", str(file), "stats"], ["stats", f"--config={file}"]):
        done = ready.run(*arguments)
        assert done.returncode == 2
        assert "workers" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_answers_and_stops(ready: Shell, free_port: int, workers: str) -> None:
    token = ready.run("token", "--institution", "county-hospital").stdout.strip()
    errors = ready.home / "stderr.txt"
    with errors.open("w") as out:
        server = subprocess.Popen(
            ready.command("serve", "--port", str(free_port), "--workers", workers),
            env=ready.environment, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{free_port}"
        wait_until_ready(base, errors)
        with httpx.Client(base_url=base) as client:
            for _ in range(10):
                answer = client.post("/api/v1/match", json=match_body(), headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == 200, answer.text
            total = 'testonce_requests_total{method="POST",route="/api/v1/match",status="200"} 10.0'
            assert total in client.get("/metrics").text
    finally:
        server.terminate()
        assert server.wait(30) in (0, -15)
    assert ready.run("audit", "verify").returncode == 0
    assert "22010219" not in errors.read_text()


@pytest.mark.slow
def test_killed_server_has_lost_no_decision_it_gave_and_its_log_is_intact(ready: Shell, free_port: int) -> None:
    token = ready.run("token", "--institution", "county-hospital").stdout.strip()
    errors = ready.home / "stderr.txt"
    with errors.open("w") as out:
        server = subprocess.Popen(
            ready.command("serve", "--port", str(free_port)), env=ready.environment, stdout=out, stderr=out
        )
    given: list[str] = []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{free_port}", headers=headers) as client:
            while True:
                try:
                    given.append(client.post("/api/v1/match", json=match_body()).json()["decisionId"])
                except httpx.TransportError:
                    return

    try:
        wait_until_ready(f"http://127.0.0.1:{free_port}", errors)
        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(ask)
            while len(given) < 40:
                time.sleep(0.05)
            server.kill()
    finally:
        server.kill()
        server.wait(10)
    with sqlite3.connect(ready.home / "testonce.db") as conn:
        stored = {row[0] for row in conn.execute("SELECT id FROM decision")}
        audited = {row[0].partition("/")[2] for row in conn.execute("SELECT subject FROM audit")}
    assert set(given) <= stored <= audited
    assert ready.run("audit", "verify").returncode == 0


def wait_until_ready(base: str, errors: Path) -> None:
    """Until GET /readyz answers 200, half a minute at most."""
    for _ in range(150):
        try:
            if httpx.get(f"{base}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"not ready: {errors.read_text()}")


@pytest.fixture
def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
def test_lost_keys_are_asked_back_not_made_anew(shell: Shell) -> None:
    assert shell.run("init").returncode == 0
    (shell.home / "keys.json").unlink()
    ran = shell.run("init")
    assert ran.returncode != 0
    assert "put back its copy" in ran.stdout + ran.stderr
    assert not (shell.home / "keys.json").exists()


@pytest.mark.slow
def test_other_keys_than_the_database_s_are_refused(shell: Shell) -> None:
    assert shell.run("init").returncode == 0
    (shell.home / "keys.json").unlink()
    KeyRing.generate().save(shell.home / "keys.json")
    for command in (["init"], ["doctor"], ["audit", "verify"], ["stats"]):
        ran = shell.run(*command)
        assert ran.returncode != 0
        assert "not the one this database was filled with" in ran.stdout + ran.stderr
