"""What `testonce source check` says alike of every kind of source: whether its line is protected, and its sample."""

from __future__ import annotations

from collections.abc import Sequence

from service.ingest.source import Finding, Level, RawRecord, SourceConfig


def of_line(config: SourceConfig) -> Finding:
    """Whether others on the way can read along, and who we say we are."""
    who = f"credentials: {config.credentials}"
    scheme = config.address.partition(":")[0]
    if scheme in ("https", "dicoms"):
        return Finding("transport", Level.OK, f"TLS; {who}")
    text = f"no TLS: what is read can be listened to; set {scheme}s:// in its address where the system has that ({who})"
    return Finding("transport", Level.WARNING, text)


def of_sample(sample: Sequence[RawRecord]) -> Finding:
    """How many records the sample has, and how many of them could not be used."""
    bad = sum(one.problem is not None for one in sample)
    if not sample:
        return Finding("sample", Level.WARNING, "it holds no record that this account may read")
    return Finding("sample", Level.WARNING if bad else Level.OK, f"{len(sample)} records, {bad} of them with a problem")
