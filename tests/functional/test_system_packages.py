"""What `make test` installs, may not install, and leaves behind, against stand-ins for apt, dpkg and sudo."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "system-packages.sh"
NAMES = ("orthanc", "orthanc-dicomweb", "dcmtk")


class Machine:
    """A folder of commands that stands for a machine; `installed` lists its packages, `log` what apt was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.installed, self.log = folder / "installed", folder / "log"
        self.policy, self.stamp = folder / "policy-rc.d", folder / "made" / ".system"
        self.installed.touch()
        self.log.touch()
        for name in ("sh", "rm", "tr", "dirname", "mkdir", "chmod", "grep", "true"):
            (self.bin / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
        self.command("id", "echo 0")
        self.command("timeout", 'shift 2; exec "$@"')
        self.command("sudo", "exit 1")
        self.command("update-rc.d", f'echo update-rc.d "$@" >> {self.log}')
        self.command("systemctl", f'echo systemctl "$@" >> {self.log}')
        self.command(
            "dpkg-query",
            f'for last; do :; done; if grep -qx "$last" {self.installed}; then echo installed; else exit 1; fi',
        )
        self.apt(f'for one; do case $one in orthanc*|dcmtk) echo "$one" >> {self.installed};; esac; done')

    def command(self, name: str, body: str) -> None:
        """Puts a command on the machine."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        path.chmod(0o755)

    def apt(self, on_install: str) -> None:
        """An apt-get that notes how it was called and whether services were forbidden at that time."""
        forbidden = f'if [ -e {self.policy} ] && ! {self.policy}; then echo "(services forbidden)" >> {self.log}; fi'
        only_fetches = 'case "$*" in *--download-only*|*update*) exit 0;; esac'
        self.command("apt-get", f'echo "$@" >> {self.log}\n{forbidden}\n{only_fetches}\n{on_install}')

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the script with nothing in PATH but this machine's commands."""
        return subprocess.run(
            ["/bin/sh", str(SCRIPT), str(self.stamp)],
            env={"PATH": str(self.bin), "POLICY_RC_D": str(self.policy)} | environment,
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    @property
    def apt_was_asked(self) -> bool:
        """Whether apt-get ran."""
        return "install" in self.log.read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A Debian machine of root, without the packages."""
    return Machine(tmp_path)


def test_packages_that_are_there_are_left_alone_in_silence(machine: Machine) -> None:
    machine.installed.write_text("\n".join(NAMES))
    done = machine.run()
    assert (done.returncode, done.stderr, machine.apt_was_asked) == (0, "", False)


def test_root_installs_what_is_absent_and_only_that(machine: Machine) -> None:
    machine.installed.write_text("dcmtk\n")
    done = machine.run()
    asked = machine.log.read_text().splitlines()
    assert done.returncode == 0
    assert set(machine.installed.read_text().split()) == set(NAMES)
    assert any(line.endswith("install orthanc orthanc-dicomweb") for line in asked)
    assert "will be skipped" not in done.stderr


def test_no_service_may_start_while_apt_runs_and_the_policy_is_gone_afterwards(machine: Machine) -> None:
    machine.run()
    lines = machine.log.read_text().splitlines()
    calls = [n for n, line in enumerate(lines) if "install" in line]
    assert calls
    assert all(lines[n + 1] == "(services forbidden)" for n in calls)
    assert not machine.policy.exists()


def test_failing_apt_leaves_no_policy_and_says_what_will_be_skipped(machine: Machine) -> None:
    machine.apt("echo 'E: no network' >&2; exit 100")
    done = machine.run()
    assert done.returncode == 0
    assert "E: no network" in done.stderr
    assert "not installed: orthanc orthanc-dicomweb dcmtk" in done.stderr
    assert "will be skipped" in done.stderr
    assert not machine.policy.exists()


def test_killed_install_leaves_no_policy(machine: Machine) -> None:
    machine.apt("kill -TERM $PPID; exit 0")
    assert "will be skipped" in machine.run().stderr
    assert not machine.policy.exists()


def test_policy_of_the_machine_is_never_overwritten_or_removed(machine: Machine) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 104\n")
    machine.policy.chmod(0o755)
    machine.run()
    assert machine.policy.read_text() == "#!/bin/sh\nexit 104\n"
    machine.installed.write_text("")
    machine.apt("exit 100")
    machine.run(CI="true")
    assert machine.policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_failed_attempt_is_not_repeated(machine: Machine) -> None:
    machine.apt("exit 100")
    machine.run()
    machine.log.write_text("")
    done = machine.run()
    assert not machine.apt_was_asked
    assert f"to try again remove {machine.stamp}" in done.stderr


@pytest.mark.parametrize(
    ("environment", "commands", "why"),
    [
        ({"NO_SYSTEM_PACKAGES": "1"}, {}, "NO_SYSTEM_PACKAGES=1"),
        ({}, {"id": "echo 1000"}, "neither root nor sudo without a password"),
        ({}, {"apt-get": None}, "not Debian"),
    ],
    ids=["asked not to", "not root", "another system"],
)
def test_where_it_may_not_install_it_says_so_and_ci_fails(
    machine: Machine, environment: dict[str, str], commands: dict[str, str | None], why: str
) -> None:
    for name, body in commands.items():
        if body is None:
            (machine.bin / name).unlink()
        else:
            machine.command(name, body)
    done = machine.run(**environment)
    assert (done.returncode, machine.apt_was_asked) == (0, False)
    assert why in done.stderr
    assert "will be skipped" in done.stderr
    assert machine.run(CI="true", **environment).returncode == 1


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.command("id", "echo 1000")
    machine.command("sudo", '[ "$1" = -n ] && shift; case $1 in *=*) export "$1"; shift;; esac; exec "$@"')
    assert machine.run().returncode == 0
    assert machine.apt_was_asked
    assert not machine.policy.exists()
