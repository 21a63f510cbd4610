"""Tables of a TOML file, read key by key: every mistake is noted with its place, and reading goes on."""

from __future__ import annotations

import difflib
import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from service.domain.errors import Fault, InvalidInput
from service.domain.times import Duration

_SYNTAX_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


class TomlFile:
    """The text, its values, and the mistakes found in it."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self._text = text.removeprefix("\ufeff")
        try:
            self.values: dict[str, Any] = tomllib.loads(self._text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            place = _SYNTAX_PLACE.search(str(error))
            line = f":{place[1]}" if place and place[1] else ""
            column = f" at column {place[2]}" if place and place[2] else ""
            said = _SYNTAX_PLACE.sub("", str(error))
            fault = Fault(f"{name}{line}", f"not TOML{column}: {said}; strings need quotes, each key stands once")
            raise InvalidInput(f"{name} is no TOML file; nothing was loaded", [fault]) from None
        except RecursionError:
            fault = Fault(name, "nested too deeply; the network file has tables of plain values only")
            raise InvalidInput(f"{name} cannot be read; nothing was loaded", [fault]) from None

    def add(self, place: str, message: str) -> None:
        """Notes one mistake."""
        self.faults.append(Fault(place, message))

    def raise_faults(self) -> None:
        """Raises InvalidInput with the mistakes in the order of their lines, when there are any."""
        if self.faults:
            count = len(self.faults)
            message = f"{self.name} has {count} mistake{'s' * (count > 1)}; nothing was loaded"
            raise InvalidInput(message, sorted(self.faults, key=_line))

    def check_names(self, single: Sequence[str], many: Sequence[str]) -> None:
        """Notes tables and keys at the top of the file that nobody knows."""
        for key in self.values:
            if key not in single and key not in many:
                near = suggest(key, [*single, *many])
                self.add(self._place(key), f"unknown table {key!r}{near}; known: {', '.join([*single, *many])}")

    def one(self, name: str) -> Row | None:
        """The table `[name]`, None when absent."""
        value = self.values.get(name)
        if value is None or isinstance(value, dict):
            return None if value is None else Row(self, name, 0, value)
        self.add(self._place(name), f"expected one table: write [{name}]")
        return None

    def many(self, name: str) -> list[Row]:
        """The tables `[[name]]`, in their order."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.add(self._place(name), f"expected a list of tables: write [[{name}]] before each")
            return []
        return [Row(self, name, number, one) for number, one in enumerate(value, 1)]

    def place_of(self, table: str, number: int, key: str) -> str:
        """Where a key stands: `network.toml:17 certificate[3].scope` (tables are counted from 1)."""
        starts = self._starts.get(table, ())
        label = f"{table}[{number}]" if number else table
        label = f"{label}.{key}" if key else label
        if len(starts) < max(number, 1):
            return f"{self.name} {label}"
        start = starts[max(number, 1) - 1]
        return f"{self.name}:{self._line_of(key, start)} {label}"

    def _place(self, name: str) -> str:
        line = next((line for line, header in self._headers if header.split(".")[0] == name), None)
        if line is None:
            line = next((n for n, text in enumerate(self._lines, 1) if _key_of(text) == name), None)
        return f"{self.name}:{line} {name}" if line else f"{self.name} {name}"

    def _line_of(self, key: str, start: int) -> int:
        after = bisect_right(self._headers, (start, "\U0010ffff"))
        end = self._headers[after][0] - 1 if after < len(self._headers) else len(self._lines)
        return next((line for line in range(start + 1, end + 1) if _key_of(self._lines[line - 1]) == key), start)

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.splitlines()

    @cached_property
    def _starts(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for line, name in self._headers:
            found.setdefault(name, []).append(line)
        return found

    @cached_property
    def _headers(self) -> list[tuple[int, str]]:
        """Line and name of every table header; only looked for once there is a mistake to tell."""
        found = ((n, re.match(r"\s*\[\[?\s*([A-Za-z0-9_.\"-]+)\s*\]", text)) for n, text in enumerate(self._lines, 1))
        return [(line, match[1].strip('"')) for line, match in found if match]


class Row:
    """One table under reading. A getter gives the value, or None after noting what is wrong with it."""

    def __init__(self, file: TomlFile, table: str, number: int, values: Mapping[str, Any]) -> None:
        self.file = file
        self.table = table
        self.number = number
        self.values = values

    def fault(self, key: str, message: str) -> None:
        """Notes a mistake at `key`, with the value that stands there."""
        shown = f"{show(self.values[key])}: " if key in self.values else ""
        self.file.add(self.file.place_of(self.table, self.number, key), shown + message)

    def check_keys(self, known: Sequence[str], required: Iterable[str]) -> None:
        """Notes keys nobody knows and required ones that are missing."""
        for key in self.values:
            if key not in known:
                self.fault(key, f"unknown key{suggest(key, known)}; known: {', '.join(known)}")
        for key in required:
            if key not in self.values:
                self.fault(key, f"{key} is missing; every {self.table} needs it")

    def text(self, key: str) -> str | None:
        """A non-empty line of text."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self.fault(key, 'expected text in quotes, such as "…"')
        elif any(ord(ch) < 32 or ord(ch) == 127 for ch in value):
            self.fault(key, "expected one line of text without control characters")
        else:
            return value
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of non-empty texts."""
        value = self.values.get(key, [])
        if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
            return tuple(value)
        self.fault(key, 'expected a list of texts, such as ["…", "…"]')
        return ()

    def whole(self, key: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.fault(key, f"expected a whole number from {low} to {high}, without quotes")
        return None

    def flag(self, key: str) -> bool | None:
        """true or false."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.fault(key, "expected true or false, without quotes")
        return None

    def amount(self, key: str) -> Decimal | None:
        """A finite amount of money of 0 or more."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            amount = Decimal(value)
            if amount.is_finite() and 0 <= amount <= 10**9:
                return amount
        self.fault(key, "expected an amount of 0 or more, such as 20.0, without quotes")
        return None

    def day(self, key: str) -> date | None:
        """A calendar day: a TOML date, or its text."""
        value = self.values.get(key)
        if value is None or type(value) is date:
            return value
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        self.fault(key, "expected a day, such as 2026-01-01, without a time")
        return None

    def duration(self, key: str) -> Duration | None:
        """An ISO 8601 duration."""
        return self._checked(key, Duration.parse, "expected an ISO 8601 duration, such as P14D or PT6H")

    def _checked(self, key: str, read: Callable[[str], Duration], expected: str) -> Duration | None:
        text = self.text(key)
        if text is None:
            return None
        try:
            return read(text)
        except ValueError:
            self.fault(key, expected)
            return None


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'certificate'?` when one of `known` is spelled much like `word`."""
    near = difflib.get_close_matches(word, [one for one in known if abs(len(one) - len(word)) < 8], n=1, cutoff=0.7)
    return f"; did you mean {near[0]!r}?" if near else ""


def _line(fault: Fault) -> int:
    found = re.search(r":(\d+) ", fault.pointer)
    return int(found[1]) if found else 0


def _key_of(line: str) -> str:
    return line.partition("=")[0].strip().strip("\"'") if "=" in line else ""


def show(value: object) -> str:
    """A value as TOML writes it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, Decimal | date) else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
