"""Whether a source can be pulled from: its settings, what it says of itself, a sample converted by the real readers.

Nothing is stored: the sample's batch is undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.domain.errors import TestOnceError
from service.domain.report import ImagingExam, LabReport
from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document, document_of
from service.ingest.port import IndexedReport
from service.ingest.source import Finding, Level, RawRecord, Readiness, SourceError
from service.pulling.configured import resolve
from service.pulling.packing import pack
from service.pulling.pull import Puller
from service.pulling.rehearsal import Rehearsal, Rehearsed
from service.source_settings import SourceSettings

SAMPLE = 20
"""At most so many records are converted."""


@dataclass(slots=True)
class Checked:
    """What a check found. `counts`: what became of the sample's records; `seen`: the reports and patients made of them;
    codes and units that are not known, each with how often (`system|code`, and the unit as written)."""

    source: str
    findings: list[Finding] = field(default_factory=list)
    software: str = ""
    capabilities: dict[str, object] = field(default_factory=dict)
    sampled: int = 0
    counts: LoadCounts = field(default_factory=LoadCounts)
    seen: Rehearsed = field(default_factory=Rehearsed)
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    units: Counter[tuple[str, str]] = field(default_factory=Counter)
    exams_without_region: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether nothing found forbids pulling."""
        return all(one.level is not Level.PROBLEM for one in self.findings)


def check(puller: Puller, settings: SourceSettings) -> Checked:
    """Checks the settings, connects, asks what the source can, and converts a sample. A source's own trouble is a
    finding; raises TestOnceError only where this installation cannot work."""
    found = Checked(settings.name, list(configuration(puller, settings)))
    if not found.is_ready:
        return found
    try:
        puller.probe(settings)
        found.findings.append(Finding("probe", Level.OK, "it answers"))
        told = puller.check(settings)
    except SourceError as error:
        found.findings.append(Finding(error.code, Level.PROBLEM, error.message))
        return found
    _take(found, told)
    _convert(puller, settings, found, told.sample[:SAMPLE])
    return found


def configuration(puller: Puller, settings: SourceSettings) -> Iterator[Finding]:
    """What the settings alone tell, without any network traffic: institution, files, credentials, adapter and options,
    mapping profile."""
    _, network = puller.policy()
    if settings.institution in network.institution_by_id:
        yield Finding("institution", Level.OK, f"{settings.institution} is in the network")
    else:
        yield Finding(
            "institution", Level.PROBLEM,
            f"{settings.institution!r} is not in the network: correct it, or load a network file that has it",
        )  # fmt: skip
    for key in ("ca_file", "client_certificate", "client_key"):
        path = getattr(settings, key)
        if path is not None and not path.expanduser().is_file():
            yield Finding(key, Level.PROBLEM, f"there is no file {path}")
    try:
        resolve(settings, network.zone)
    except TestOnceError as error:
        yield Finding("credentials", Level.PROBLEM, str(error))
        return
    yield Finding("credentials", Level.OK, f"{settings.credentials.kind}: everything is there")
    try:
        puller.open(settings).close()
        yield Finding("adapter", Level.OK, f"{settings.kind} accepts the options")
    except SourceError as error:
        yield Finding("adapter", Level.PROBLEM, error.message)
    if settings.mapping is not None:
        try:
            puller.loader(settings, Rehearsal(puller.store))
            yield Finding("mapping", Level.OK, f"{settings.mapping} has no mistakes")
        except SourceError as error:
            yield Finding("mapping", Level.PROBLEM, error.message)


def _take(found: Checked, told: Readiness) -> None:
    found.findings += told.findings
    found.software = told.software
    found.capabilities = dict(told.capabilities)


def _convert(puller: Puller, settings: SourceSettings, found: Checked, sample: Sequence[RawRecord]) -> None:
    """The sample as the readers take it, in a batch that is undone."""
    found.sampled = len(sample)
    if not sample:
        found.findings.append(
            Finding("conversion", Level.WARNING, "it gave no records as a sample: nothing was seen of how they convert")
        )
        return
    rehearsal = Rehearsal(puller.store)
    try:
        found.counts = puller.loader(settings, rehearsal).load(list(_documents(sample, settings.name)))
    except TestOnceError:
        raise
    except SourceError as error:
        found.findings.append(Finding(error.code, Level.PROBLEM, error.message))
        return
    except Exception as error:  # its text may quote what was read
        found.findings.append(
            Finding(
                "conversion", Level.PROBLEM, f"the reader failed with {type(error).__name__}; this is a defect of ours"
            )
        )
        return
    found.seen = rehearsal.seen
    for one, _ in found.seen.reports:
        _look_at(found, one)
    found.findings += _of_the_sample(found)


def _documents(sample: Sequence[RawRecord], source: str) -> Iterator[Document]:
    for one in pack(sample, source):
        yield (
            document_of(one.media, source, one.body) if one.problem is None else Document(one.problem, source, one.body)
        )


def _look_at(found: Checked, one: IndexedReport) -> None:
    content = one.content
    if isinstance(content, ImagingExam):
        found.exams_without_region += not any(part.region for part in content.parts)
        return
    assert isinstance(content, LabReport)
    for result in content.results:
        if result.item is None:
            found.codes.update([code for code in result.codes if code[1]] or [("", result.name[:40])])
        elif not result.measured.is_absent and not result.measured.unit_is_known:
            found.units[result.item, (result.measured.unit or "")[:40]] += 1


def _of_the_sample(found: Checked) -> Iterator[Finding]:
    rejected = found.counts.total("rejected")
    used = sum(found.counts.total(one) for one in ("new", "updated", "unchanged"))
    if rejected:
        level = Level.WARNING if used else Level.PROBLEM
        yield Finding("rejected", level, f"{rejected} of the sample's resources cannot be used, {used} can")
    else:
        yield Finding("conversion", Level.OK, f"{found.sampled} records: {used} resources can be used")
    if not found.seen.reports:
        yield Finding("reports", Level.WARNING, "no report can be made of the sample alone; after a pull more is known")
    if found.codes:
        yield Finding("codes", Level.WARNING, f"{len(found.codes)} codes are not known: map them in a mapping profile")
    if found.units:
        yield Finding(
            "units", Level.WARNING, f"{len(found.units)} units cannot be converted: their results need a look"
        )
    if found.exams_without_region:
        yield Finding("regions", Level.WARNING, f"{found.exams_without_region} exams name no body region we know")
