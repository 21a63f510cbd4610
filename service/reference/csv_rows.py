"""CSV text into rows that know their place, so that every fault can say `items.csv:17 window`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.domain.errors import Fault


@dataclass(slots=True)
class Faults:
    """Mistakes found so far; reading goes on, so that all of them are told at once."""

    found: list[Fault] = field(default_factory=list)

    def add(self, place: str, message: str) -> None:
        """Notes one mistake at `place`."""
        self.found.append(Fault(place, message))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a CSV file: its cells by column, and where it stands."""

    file: str
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def place(self, column: str = "") -> str:
        """Where the row, or one cell of it, stands: `items.csv:17 window`."""
        return f"{self.file}:{self.line} {column}".rstrip()


def read_header(text: str) -> tuple[str, ...]:
    """The column names of a CSV text; empty when it has no first line."""
    first = next(csv.reader(io.StringIO(text.removeprefix("\ufeff"))), [])
    return tuple(name.strip() for name in first)


def read_rows(text: str, file: str, needed: Iterable[str], allowed: Sequence[str], faults: Faults) -> list[Row]:
    """The rows of a CSV text whose header has every `needed` column and none outside `allowed`.

    Blank lines are skipped. Mistakes of form go to `faults`; a file with a wrong header gives no rows.
    """
    header = read_header(text)
    missing = [name for name in needed if name not in header]
    unknown = [name for name in header if name not in allowed]
    if missing:
        faults.add(f"{file}:1", f"the header lacks {', '.join(missing)}; expected columns: {', '.join(allowed)}")
    if unknown:
        faults.add(f"{file}:1", f"unknown columns {', '.join(unknown)}; expected columns: {', '.join(allowed)}")
    if len(set(header)) != len(header):
        faults.add(f"{file}:1", "a column is named twice; name each column once")
    if missing or unknown or len(set(header)) != len(header):
        return []
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        next(reader)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                faults.add(
                    f"{file}:{reader.line_num}",
                    f"{len(cells)} cells where the header has {len(header)}; put cells with a comma in double quotes",
                )
                continue
            values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            rows.append(Row(file, reader.line_num, values))
    except csv.Error as error:
        faults.add(f"{file}:{reader.line_num}", f"not CSV: {error}; save the file as CSV with double quotes")
    return rows


def write_rows(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """The rows as CSV text, in the form a catalogue version is stored."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[column] for column in columns] for row in rows)
    return out.getvalue()
