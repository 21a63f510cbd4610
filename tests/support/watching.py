"""Collects all that comes out, and looks for what must not be in it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import create_engine, inspect, text


@dataclass
class Watch:
    """What came out, by where. `secrets` by what they are; digits count only where no digit stands beside them."""

    secrets: dict[str, str]
    environment: dict[str, str]
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    def hear(self, where: str, said: str | bytes) -> None:
        """Takes down what came out somewhere."""
        self.heard.append((where, said if isinstance(said, bytes) else said.encode("utf-8", "surrogatepass")))

    def run(self, *arguments: str, status: int | None = 0) -> str:
        """Runs a command and hears it out; gives its standard output."""
        command = [sys.executable, "-c", "from service.cli import main; main()", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, timeout=120, check=False)
        self.hear(f"testonce {arguments[0]}", done.stdout + done.stderr)
        assert status is None or done.returncode == status, done.stderr.decode()
        return done.stdout.decode()

    @contextmanager
    def serving(self, folder: Path) -> Iterator[httpx.Client]:
        """The server as a process of its own, heard to its end."""
        port = _free_port()
        command = [sys.executable, "-c", "from service.cli import main; main()", "serve", "--port", str(port)]
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                    _until_ready(client, process)
                    yield client
            finally:
                process.terminate()
                process.wait(30)
        self.hear("server log", (folder / "server.log").read_bytes())

    def look_into(self, home: Path) -> None:
        """Takes down names and bytes of all files."""
        for path in sorted(home.rglob("*")):
            self.hear("file name", str(path.relative_to(home)))
            if path.is_file():
                self.hear(f"file {path.name}", path.read_bytes())

    def look_into_tables(self, url: str) -> int:
        """Takes down every column that is not binary, value by value; gives how many rows there are."""
        engine, rows = create_engine(url), 0
        with engine.connect() as conn:
            for table in inspect(engine).get_table_names():
                for row in conn.execute(text(f'SELECT * FROM "{table}"')).mappings():
                    rows += 1
                    for name, value in row.items():
                        self.hear(
                            f"{table}.{name}", bytes(value) if isinstance(value, bytes | memoryview) else str(value)
                        )
        engine.dispose()
        return rows

    def found(self) -> set[tuple[str, str]]:
        """Where which kind of secret came out."""
        patterns = [(kind.partition(" ")[0], _pattern(secret)) for kind, secret in self.secrets.items()]
        by_place: dict[str, list[bytes]] = {}
        for where, said in self.heard:
            by_place.setdefault(where, []).append(said)
        joined = {where: b"\n".join(several) for where, several in by_place.items()}
        return {(where, kind) for where, said in joined.items() for kind, one in patterns if one.search(said)}


def _pattern(secret: str) -> re.Pattern[bytes]:
    plain = re.escape(secret.encode())
    return re.compile(rb"(?<!\d)" + plain + rb"(?!\d)" if secret.isdigit() else plain, re.IGNORECASE)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server does not get ready")
