"""The console that the commands show their tables on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = 130


def open_console(*, highlight: bool = False, soft_wrap: bool = False) -> Console:
    """Standard output. rich takes 80 columns where there is no terminal; a file or a pager need not be so narrow."""
    from rich.console import Console

    knows_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if knows_width else _COLUMNS, highlight=highlight, soft_wrap=soft_wrap)
