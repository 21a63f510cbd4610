"""HAPI FHIR's JPA server as a process on loopback: a FHIR server that is not ours (`make interop`).

Maven fetches it once (some 400 MB); it starts in half a minute. Where Java 17 or Maven is absent the tests that need it
are skipped with the reason, or fail with CI=true.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.databases import missing

_HERE = Path(__file__).parents[1] / "interop" / "hapi"
_CLASSPATH = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
_START_SECONDS = 180.0


@contextmanager
def hapi_server(folder: Path) -> Iterator[httpx.Client]:
    """A client of the running server; `base_url` is its address. `folder` takes its logs."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            missing(f"HAPI FHIR needs {tool} (Debian: default-jdk-headless maven)")
    classpath = folder / "classpath"
    fetched = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(_HERE / "pom.xml"), _CLASSPATH, f"-Dmdep.outputFile={classpath}"],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if fetched.returncode:
        missing(f"Maven cannot fetch HAPI FHIR: {fetched.stdout[-500:]}")
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classpath.read_text("utf-8").strip(),
             str(_HERE / "HapiServer.java")],
            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            with httpx.Client(base_url=_address(process, folder / "log"), timeout=60, trust_env=False) as client:
                yield client
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends by itself
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text("utf-8", "replace").splitlines():
            if line.startswith("serving "):
                return line.removeprefix("serving ").strip()
        time.sleep(0.3)
    raise RuntimeError("HAPI FHIR did not start: " + log.read_text("utf-8", "replace")[-2000:])
