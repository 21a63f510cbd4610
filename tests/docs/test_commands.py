"""Every `testonce …` line of the documents names a command and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from service.cli import COMMANDS, build_app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("adapters/*/*.md")]
)


def lines_in(path: Path) -> list[str]:
    """Command lines in code blocks, and commands in `back quotes`."""
    text = path.read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [one for line in lines for one in re.findall(r"(?:^|&& )(testonce [a-z][^#&<]*)", line)]
    return found + re.findall(r"`(testonce [a-z][^`]*)`", text)


NAMED = [(path.relative_to(ROOT).as_posix(), line.strip()) for path in DOCUMENTS for line in lines_in(path)]


def find_command(words: list[str]) -> click.Command:
    """The command that the words name; KeyError when there is none."""
    assert words[0] in COMMANDS, f"no command {words[0]}"
    root = typer.main.get_command(build_app(words[:1]))
    command: click.Command = root.commands[words[0]]  # type: ignore[attr-defined]
    if len(words) > 1 and hasattr(command, "commands"):
        command = command.commands[words[1]]
    return command


def test_documents_name_the_main_commands() -> None:
    assert {"init", "network", "load", "pull", "sources", "match", "token", "serve", "stats", "doctor"} <= {
        line.split()[1] for _, line in NAMED
    }


@pytest.mark.parametrize(("document", "line"), NAMED, ids=[f"{doc}: {line[:60]}" for doc, line in NAMED])
def test_command_and_its_options_exist(document: str, line: str) -> None:
    words = shlex.split(line.replace("…", ""))[1:]
    command = find_command(words)
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [one for one in given if one not in known | {"--config", "--help"}] == []


def help_texts(command: click.Command) -> list[str]:
    """All that `--help` of a command and of those below it shows."""
    own = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params)]
    below = getattr(command, "commands", {}).values()
    return own + [text for one in below for text in help_texts(one)]


def test_no_help_holds_brackets_which_the_terminal_takes_for_markup() -> None:
    texts = help_texts(typer.main.get_command(build_app([])))
    assert len(texts) > 100
    assert [one for one in texts if "[" in one] == []
