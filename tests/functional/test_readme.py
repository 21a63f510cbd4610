"""The README's "Use it" runs as it stands: each line in a shell, from generated files to an answer by curl."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases import missing

ROOT = Path(__file__).parents[2]
REJECTED = 3  # of `testonce load`: the generated files hold some that must be rejected


@pytest.mark.slow
def test_use_it_runs_line_by_line(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        missing("the README asks by curl, which is not installed")
    page = section("Use it").replace("8000", str(free_port()))
    here, there, linkage = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    install, *commands, serve = here.splitlines()
    assert install.startswith("make install")
    assert serve.startswith("testonce serve")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")} | {
        "TESTONCE_HOME": str(tmp_path / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "LC_ALL": "zh_CN.UTF-8",
    }  # fmt: skip

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=99
        )

    for line in [*commands, *linkage.splitlines()]:
        done = run(line)
        assert done.returncode in ((0, REJECTED) if line.startswith("testonce load") else (0,)), line + done.stderr
        if line.startswith("testonce match"):
            assert "患者身份已确认" in done.stdout
            assert "✔ 可互认" in done.stdout
    with (tmp_path / "serve.log").open("wb") as log:
        server = subprocess.Popen(["sh", "-c", f"exec {serve}"], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        answer = ask_until_answered(lambda: run(there.partition("\n")[2]).stdout, server)
    finally:
        server.terminate()
        server.wait(20)
    assert '"decision":"reusable"' in answer.replace(" ", "")


def section(heading: str) -> str:
    return (ROOT / "README.md").read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]


def ask_until_answered(ask: Callable[[], str], server: subprocess.Popen[bytes]) -> str:
    """The first answer; curl says nothing while the server is not listening."""
    for _ in range(60):
        assert server.poll() is None
        if answer := ask():
            return answer
        time.sleep(0.3)
    pytest.fail("no answer")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
