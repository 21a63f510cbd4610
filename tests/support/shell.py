"""`testonce` as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.serving import NETWORK


class Shell:
    """Runs `testonce` in a home of its own, set up with a network."""

    def __init__(self, folder: Path) -> None:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")}
        self.environment = clean | {"TESTONCE_HOME": str(folder / "home"), "NO_COLOR": "1", "COLUMNS": "160"}
        (folder / "network.toml").write_text(NETWORK, "utf-8")
        assert self.run("init").returncode == 0
        assert self.run("network", "load", str(folder / "network.toml")).returncode == 0

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from service.cli import main; main()", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
