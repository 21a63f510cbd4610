"""Guarded HTTP: the one place where requests leave for a hospital system, and what its answers are made of."""

from __future__ import annotations

from adapters.transport.answers import Answer, Streamed
from adapters.transport.client import OPTIONS, GuardedClient
from adapters.transport.multipart import BodyPart, parse_multipart
from adapters.transport.paging import Paging

__all__ = ["OPTIONS", "Answer", "BodyPart", "GuardedClient", "Paging", "Streamed", "parse_multipart"]
