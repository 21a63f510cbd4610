"""Which instances are counted to which series: one batch's changes, worked out in memory and written at once.

An instance is counted once, however often, in whatever order and from wherever it comes. A series that its source
states whole, or says is gone, starts a new generation (`StoredResource.rank`): what was counted in an earlier one
counts no more, so nobody needs to know which instances those were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo

from service.ingest.counts import LoadCounts
from service.ingest.dicom.header import DicomInstance, UnreadableDicom, read_dicom, series_facts
from service.ingest.dicom.json_model import read_json_instance
from service.ingest.port import Batch, SeriesFacts, StoredResource
from service.ingest.strict_json import BadJson

_REJECTED = hashlib.sha256(b"rejected").digest()
_GONE = hashlib.sha256(b"deleted").digest()
_GENERATIONS = 30_000  # the column holds 16 bits; after so many a number is taken again

Arrival = tuple[StoredResource, DicomInstance]


def instance_ref(sop_uid: str) -> str:
    """The name of an instance among the resources."""
    return f"dicom/{sop_uid}"


def series_ref(study_and_series: str) -> str:
    """The name of a series (`<study>/<series>`) among the resources: its newest whole statement."""
    return f"dicom-series/{study_and_series}"


def read_stored(body: bytes, zone: tzinfo) -> DicomInstance:
    """An instance again from its kept bytes: a file's header, or a slice of DICOM JSON. Raises UnreadableDicom,
    BadJson."""
    is_json = body[128:132] != b"DICM" and body.lstrip()[:1] == b"{"
    return read_json_instance(body, zone) if is_json else read_dicom(body, zone)


def study_ref(study_uid: str) -> str:
    """The name of a study among the resources: whether a rejection note forbids all of it."""
    return f"dicom-study/{study_uid}"


@dataclass(slots=True)
class Ledger:
    """The state as the batch goes on. `again`: what is known is looked at once more; no version changes its place."""

    batch: Batch
    zone: tzinfo
    counts: LoadCounts
    again: bool
    touched: set[str] = field(default_factory=set)
    _known: dict[str, StoredResource | None] = field(default_factory=dict)
    _rows: dict[str, list[SeriesFacts]] = field(default_factory=dict)
    _changed: dict[str, StoredResource] = field(default_factory=dict)
    _added: dict[str, DicomInstance] = field(default_factory=dict)
    _taken: list[SeriesFacts] = field(default_factory=list)

    def fetch(self, refs: Collection[str], study_uids: Collection[str]) -> None:
        """Gets what is stored of these resources and studies at once."""
        found = self.batch.find_resources(refs)
        self._known.update({ref: found.get(ref) for ref in refs})
        series = self.batch.find_series(study_uids)
        self._rows.update({uid: list(series.get(uid, ())) for uid in study_uids})

    def put(self, arrival: Arrival) -> None:
        """Takes one instance. A header has no time of version: of two, the one that first arrived later counts."""
        given, instance = arrival
        if instance.rejections.notes:
            return self._reject(instance, given.document_id)
        if self._is_rejected(given.ref) or self._is_rejected(study_ref(instance.study_uid)):
            return self._note(instance, "ignored", "rejected")
        generation = self._generation(_series_of(instance))
        stored = replace(given, rank=generation)
        old = self._find(stored.ref)
        if old is None:
            outcome = "new"
        elif old.sha256 in (_GONE, stored.sha256):
            if self.again or (old.sha256 == stored.sha256 and old.rank == generation):
                return self._note(instance, "unchanged")
            outcome = "new"  # it was withdrawn, and is there again
        elif not _is_later(stored, old) and (self.again or old.rank == generation):
            return self._note(instance, "unchanged", "older-version")
        else:
            outcome = "updated"
            self._uncount(old)
        self._count(stored, instance, outcome)
        return None

    def _reject(self, note: DicomInstance, document_id: int) -> None:
        """Does as a rejection note says, also to what comes after it."""
        self._note(note, "ignored", "rejection-note")
        mark = StoredResource("", _REJECTED, None, 0, document_id, 0, 0)
        for ref in map(instance_ref, note.rejections.images):
            old = self._find(ref)
            if old is not None and old.sha256 not in (_GONE, _REJECTED):
                self._uncount(old)
            self._set(replace(mark, ref=ref))
        if note.rejections.study:
            added = {_series_of(one) for one in self._added.values() if one.study_uid == note.study_uid}
            stored = {f"{one.study_uid}/{one.series_uid}" for one in self._rows_of(note.study_uid) if one.instances}
            for series in sorted(added | stored):
                self._start_anew(series, replace(mark, ref=series_ref(series), sha256=_GONE))
            self._set(replace(mark, ref=study_ref(note.study_uid)))

    def _is_rejected(self, ref: str) -> bool:
        found = self._find(ref)
        return found is not None and found.sha256 == _REJECTED

    def put_series(self, stored: StoredResource, arrivals: Sequence[Arrival], rejected: Mapping[str, str]) -> None:
        """Takes a series that is stated whole: these instances and no others are its own."""
        series = stored.ref.partition("/")[2]
        before = self._find(stored.ref)
        is_same = before is not None and before.sha256 == stored.sha256
        if is_same != self.again and before is not None:
            for _, instance in arrivals:
                self._note(instance, "unchanged", "" if is_same else "older-version")
            return
        used = [one for one in arrivals if one[1].sop_uid not in rejected]
        outcomes = [self._outcome(one, before) for one in used]
        self._start_anew(series, stored)
        for (given, instance), outcome in zip(used, outcomes, strict=True):
            self._count(replace(given, rank=self._generation(series)), instance, outcome)
        for code in [rejected[one.sop_uid] for _, one in arrivals if one.sop_uid in rejected]:
            self.counts.add("dicom", "ignored", f"rejected-{code[:20]}")

    def delete(self, target: str, document_id: int) -> None:
        """Withdraws a series (`<study>/<series>`) or an instance (its SOPInstanceUID)."""
        outcome = "unchanged"
        if "/" in target:
            ref = series_ref(target)
            if not (self.again and self._find(ref)):
                outcome = "updated" if self._is_counted(target) else "unchanged"
                self._start_anew(target, StoredResource(ref, _GONE, None, 0, document_id, 0, 0))
        else:
            old = self._find(instance_ref(target))
            if old is not None and old.sha256 != _GONE and not (self.again and old.document_id > document_id):
                outcome = "updated"
                if (before := self._uncount(old)) and (whole := self._find(series_ref(_series_of(before)))):
                    self._set(replace(whole, sha256=_GONE))  # stated so once more, it would be something new
                self._set(replace(old, sha256=_GONE, document_id=document_id, start=0, length=0))
        self.counts.add("dicom", outcome, "withdrawn" if outcome == "updated" else "")

    def write(self) -> list[DicomInstance]:
        """Stores the changes. Gives the instances that are counted anew."""
        added = list(self._added.values())
        if self._changed:
            self.batch.put_resources(self._changed.values())
        if added or self._taken:
            self.batch.add_instances([*self._taken, *series_facts(added)])
        return added

    def _outcome(self, arrival: Arrival, before: StoredResource | None) -> str:
        """What becomes of a member of a series that is stated whole; where it was counted elsewhere, no more."""
        given, instance = arrival
        old = self._find(given.ref)
        if old is None or old.sha256 in (_GONE, _REJECTED):
            return "new"
        is_counted = old.rank == self._generation(_series_of(instance))
        if before is None or old.document_id != before.document_id:
            self._uncount(old)
        if not is_counted:
            return "new"
        return "unchanged" if old.sha256 == given.sha256 else "updated"

    def _count(self, stored: StoredResource, instance: DicomInstance, outcome: str) -> None:
        self._set(stored)
        self._added[stored.ref] = instance
        self._note(instance, outcome)
        self.touched.add(f"study/{instance.study_uid}")

    def _note(self, instance: DicomInstance, outcome: str, reason: str = "") -> None:
        self.counts.add("dicom", outcome, reason)
        if self.again:
            self.touched.add(f"study/{instance.study_uid}")

    def _uncount(self, old: StoredResource) -> DicomInstance | None:
        """Takes an earlier version back: a header corrected from right to left must not leave both."""
        if (added := self._added.pop(old.ref, None)) is not None:
            return added
        body = self.batch.read_document(old.document_id)[old.start : old.start + old.length]
        try:
            before = read_stored(body, self.zone)
        except (UnreadableDicom, BadJson):  # it was read when it came; a later release may be stricter
            return None
        self.touched.add(f"study/{before.study_uid}")
        if old.rank == self._generation(_series_of(before)):
            wanted = _without_time(before.facts)
            self._take(before.study_uid, before.series_uid, lambda one: _without_time(one.facts) == wanted, 1)
        return before

    def _start_anew(self, series: str, stored: StoredResource) -> None:
        """Nothing counts in the series any more; what is counted from now on is of its next generation."""
        study_uid, _, series_uid = series.partition("/")
        generation = self._generation(series) % _GENERATIONS + 1
        for ref in [ref for ref, one in self._added.items() if _series_of(one) == series]:
            del self._added[ref]
        while self._take(study_uid, series_uid, lambda _: True, None):
            pass
        self._set(replace(stored, rank=generation))
        self.touched.add(f"study/{study_uid}")

    def _take(
        self, study_uid: str, series_uid: str, is_wanted: Callable[[SeriesFacts], bool], most: int | None
    ) -> bool:
        """Takes `most` instances (None: all) from the first row of the series that fits; whether there is one."""
        rows = self._rows_of(study_uid)
        for n, one in enumerate(rows):
            if one.series_uid == series_uid and one.instances > 0 and is_wanted(one):
                taken = one.instances if most is None else most
                rows[n] = replace(one, instances=one.instances - taken)
                self._taken.append(replace(one, instances=-taken))
                return True
        return False

    def _is_counted(self, series: str) -> bool:
        study_uid, _, series_uid = series.partition("/")
        stored = any(one.series_uid == series_uid and one.instances > 0 for one in self._rows_of(study_uid))
        return stored or any(_series_of(one) == series for one in self._added.values())

    def _generation(self, series: str) -> int:
        known = self._find(series_ref(series))
        return known.rank if known else 0

    def _find(self, ref: str) -> StoredResource | None:
        if ref not in self._known:
            self.fetch([ref], ())
        return self._known[ref]

    def _rows_of(self, study_uid: str) -> list[SeriesFacts]:
        if study_uid not in self._rows:
            self.fetch((), [study_uid])
        return self._rows[study_uid]

    def _set(self, stored: StoredResource) -> None:
        self._known[stored.ref] = self._changed[stored.ref] = stored


def _series_of(instance: DicomInstance) -> str:
    return f"{instance.study_uid}/{instance.series_uid}"


def _is_later(new: StoredResource, old: StoredResource) -> bool:
    return (new.document_id, new.start) > (old.document_id, old.start)


def _without_time(facts: Mapping[str, object]) -> str:
    return repr(sorted((key, value) for key, value in facts.items() if key != "started"))
