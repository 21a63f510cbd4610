"""A small world for matching's tests: a network, a catalogue, and candidates made in one line.

All of it is in memory. The order is placed on 2026-11-22 at 10:00 +08:00 unless a case says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from service.domain.catalogue import Catalogue, Item, ItemCode, Panel, Region
from service.domain.codes import LOINC, TESTONCE_ITEM, Code
from service.domain.decision import Decision, Evidence, Match, OrderDecision
from service.domain.network import (
    Alliance,
    Certificate,
    Cluster,
    Institution,
    Method,
    Network,
    Price,
    Scope,
)
from service.domain.network import Region as NetworkRegion
from service.domain.order import Encounter, Event, ImagingOrder, MatchRequest, Order, PatientQuery
from service.domain.report import (
    ExamCandidate,
    ExamPart,
    ImagingExam,
    ItemResult,
    LabCandidate,
    Measured,
    ReportHead,
    Status,
)
from service.domain.times import Duration, When, parse_when
from service.matching.evaluate import evaluate
from service.matching.policy import Policy

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai
ISSUER, REQUESTER = "city-hospital", "county-hospital"


def _lab(item: str, zh: str, en: str, window: str = "P7D", unit: str = "g/L", **more: object) -> Item:
    return Item(
        item, "lab", zh, en, Duration.parse(window), unit,
        codes=(ItemCode(LOINC, item),) if not item.startswith("CN.") else (), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _imaging(item: str, contrast: str | None, window: str = "P30D", dose: float | None = None) -> Item:
    modality, region, *rest = item.split(".")
    technique = next((part for part in rest if part != "C"), None)
    return Item(
        item, "imaging", item, item, Duration.parse(window), modality=modality, region=region, technique=technique,
        contrast=contrast, dose_msv=dose,
    )  # fmt: skip


ITEMS = (
    _lab("718-7", "血红蛋白", "Hemoglobin"),
    _lab("6690-2", "白细胞计数", "Leukocytes", unit="10*9/L"),
    _lab("777-3", "血小板计数", "Platelets", "P3D", "10*9/L"),
    _lab("788-0", "红细胞分布宽度", "RDW", unit="%"),
    _lab("2823-3", "钾", "Potassium", "P1D", "mmol/L", volatile=True),
    _lab("2744-1", "血pH", "pH of arterial blood", "P0D", "[pH]", volatile=True),
    _lab("2039-6", "癌胚抗原", "CEA", "P30D", "ng/mL", method_dependent=True),
    _lab("56888-1", "HIV抗原抗体", "HIV 1+2 Ab + p24 Ag", "P90D", "", sensitive=True),
    _imaging("CT.CHEST", "none", dose=6.5),
    _imaging("CT.CHEST.C", "with", dose=6.5),
    _imaging("CT.CHEST.LD", "none", dose=1.5),
    _imaging("CT.CHEST.CTPA", "with"),
    _imaging("CT.ABDOMEN", "none"),
    _imaging("CT.ABDOMENPELVIS", "none"),
    _imaging("CT.HEAD", "none"),
    _imaging("CT.HEAD.A", "with"),
    _imaging("DX.CHEST", None, dose=0.1),
    _imaging("DX.CHEST.2V", None, dose=0.1),
    _imaging("DX.KNEE", None),
    _imaging("MR.KNEE", "none", "P90D"),
    _imaging("MR.KNEE.C", "with", "P90D"),
    _imaging("MG.BREAST", None, "P180D"),
    _imaging("CT.LUNG", "none"),
    _imaging("MR.BRAIN", "none"),
    _imaging("ECG.HEART", None, "P1D"),
)
PANELS = (
    Panel(
        "58410-2", "血细胞分析", "CBC panel", ("718-7", "6690-2", "777-3"), ("788-0",), (ItemCode(LOINC, "58410-2"),)
    ),
)
REGIONS = (
    Region("CHEST", "胸部", "chest"),
    Region("ABDOMEN", "腹部", "abdomen"),
    Region("PELVIS", "盆腔", "pelvis"),
    Region("LUNG", "肺", "lung"),
    Region("HEAD", "头", "head", ("BRAIN",)),
    Region("BRAIN", "脑", "brain", ("HEAD",)),
    Region("CHESTABDOMEN", "胸腹部", "chest and abdomen", ("CHEST", "ABDOMEN")),
    Region("ABDOMENPELVIS", "全腹部", "abdomen and pelvis", ("ABDOMEN", "PELVIS")),
    Region("KNEE", "膝", "knee", paired=True),
    Region("BREAST", "乳腺", "breast", paired=True),
    Region("HEART", "心脏", "heart"),
)
CATALOGUE = Catalogue(
    "test", {one.id: one for one in ITEMS}, {one.id: one for one in PANELS}, {one.id: one for one in REGIONS}
)


def certificate(
    items: Sequence[str] = ("*",), scope: str = "national", issuer: str = ISSUER,
    valid_from: date = date(2026, 1, 1), valid_to: date = date(2026, 12, 31),
) -> Certificate:  # fmt: skip
    """A certificate of the issuer, by default national, for everything, for all of 2026."""
    return Certificate(issuer, tuple(items), Scope.parse(scope), valid_from, valid_to)


NETWORK = Network(
    "测试", "Asia/Shanghai",
    regions=(NetworkRegion("220000", "吉林省"), NetworkRegion("220200", "吉林市")),
    clusters=(Cluster("jjj", "京津冀", ("110000", "120000", "130000")),),
    alliances=(Alliance("a1", "医联体一"),),
    institutions=(
        Institution(ISSUER, "市医院", "220202", level=3, alliances=("a1",)),
        Institution(REQUESTER, "县医院", "220281", level=2, alliances=("a1",)),
        Institution("outside-hospital", "外地医院", "110101", level=3),
    ),
    certificates=(certificate(),),
    methods=(Method(ISSUER, ("2039-6",), "roche-cobas-e801"), Method(REQUESTER, ("2039-6",), "Roche cobas e801")),
    prices=(
        Price(REQUESTER, "58410-2", Decimal("20")), Price(REQUESTER, "718-7", Decimal("5")),
        Price(REQUESTER, "CT.CHEST", Decimal("180")),
    ),
)  # fmt: skip


def policy(**changes: object) -> Policy:
    """The policy of the small network, with some of its tables replaced."""
    return Policy(replace(NETWORK, **changes), CATALOGUE)  # type: ignore[arg-type]


def when(text: str | None) -> When | None:
    """A time as a source writes it; None stays None."""
    return parse_when(text, ZONE) if text else None


def ago(**delta: float) -> str:
    """The time so long before the order, in UTC."""
    return (NOW - timedelta(**delta)).isoformat()


_NUMBERS = iter(range(1, 10**9))


def head(performer: str = ISSUER, status: str = "final", number: str = "", issued: str | None = None) -> ReportHead:
    """A report's head; the number is a fresh one unless given."""
    serial = next(_NUMBERS)
    number = number or f"R{serial:09d}"
    return ReportHead(
        performer, number, f"DiagnosticReport/{number}", Status(status), performer, issued=when(issued), id=serial
    )


def lab(
    item: str = "718-7", performed: str | None = None, *, value: object = Decimal("132"), reported: str | None = "132",
    unit: str | None = "g/L", status: str = "final", report: ReportHead | None = None, identity: str = "confirmed",
    performer: str = ISSUER, **more: object,
) -> LabCandidate:  # fmt: skip
    """A laboratory result of another hospital, two days old unless the case says otherwise."""
    result = ItemResult(
        item, Status(status), when(performed or ago(days=2)), Measured(reported, unit, value), **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return LabCandidate(report or head(performer), result, identity)


def exam(
    *parts: ExamPart, performed: str | None = None, report: ReportHead | None = None, identity: str = "confirmed",
    images: Sequence[str] = ("https://pacs.example/wado",), performer: str = ISSUER, **more: object,
) -> ExamCandidate:  # fmt: skip
    """An imaging exam of another hospital, two days old, with report and images, unless the case says otherwise."""
    found = report or head(performer)
    content = ImagingExam(found, when(performed or ago(days=2)), parts, images=tuple(images), **more)  # type: ignore[arg-type]
    return ExamCandidate(found, content, identity)


def chest(contrast: str | None = "without", technique: str | None = None, **more: object) -> ExamCandidate:
    """A chest CT of another hospital."""
    return exam(ExamPart("CT", "CHEST", None, contrast, technique), **more)  # type: ignore[arg-type]


def knee(*sides: str | None, contrast: str | None = "without", **more: object) -> ExamCandidate:
    """A knee MR of another hospital, one part for each side given."""
    return exam(*(ExamPart("MR", "KNEE", side, contrast) for side in sides), **more)  # type: ignore[arg-type]


def order(target: str = "718-7", **imaging: object) -> Order:
    """An order by code or, with `modality` and `region`, by facts."""
    if imaging.keys() & {"modality"}:
        return Order("o1", imaging=ImagingOrder(**imaging))  # type: ignore[arg-type]
    system = LOINC if target[0].isdigit() else TESTONCE_ITEM
    return Order("o1", (Code(system, target),), laterality=imaging.get("laterality"))  # type: ignore[arg-type]


def decide(
    *candidates: LabCandidate | ExamCandidate, orders: Sequence[Order] = (), at: datetime = NOW,
    match: Match = Match.CONFIRMED, consent_withheld: bool = False, under: Policy | None = None,
    requester: str = REQUESTER, events: Sequence[tuple[str, str]] = (), **encounter: object,
) -> Decision:  # fmt: skip
    """The decision on these candidates."""
    happened = tuple(Event(kind, parse_when(text, ZONE)) for kind, text in events)
    request = MatchRequest(
        requester, PatientQuery(), tuple(orders) or (order(),), at,
        Encounter(events=happened, **encounter),  # type: ignore[arg-type]
    )  # fmt: skip
    evidence = Evidence(
        match, consent_withheld,
        tuple(one for one in candidates if isinstance(one, LabCandidate)),
        tuple(one for one in candidates if isinstance(one, ExamCandidate)),
    )  # fmt: skip
    return evaluate(request, evidence, under or policy())


def only_order(decision: Decision) -> OrderDecision:
    """The decision of its only order."""
    (found,) = decision.orders
    return found


def codes(decision: Decision) -> list[str]:
    """The reason codes of the first candidate of the only order, or of the order where it has none."""
    found = only_order(decision)
    reasons = found.candidates[0].reasons if found.candidates else found.reasons
    return [reason.code for reason in reasons]
