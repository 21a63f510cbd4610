"""specimen-issue: the laboratory reports a haemolysed, lipaemic, clotted… specimen (HL7 v2 table 0493)."""

from __future__ import annotations

from service.domain.decision import Match
from tests.support.matching import REQUESTER, ago, lab
from tests.support.spec import Spec, case

SPEC = Spec(
    "specimen-issue",
    "review",
    (
        case("nothing said", False, lab()),
        *(case(one, True, lab(specimen_issues=(one,)))
          for one in ("haemolysed", "lipaemic", "icteric", "clotted", "contaminated", "insufficient")),
        case("two at once", True, lab(specimen_issues=("haemolysed", "lipaemic"))),
        case("own result", True, lab(specimen_issues=("clotted",), performer=REQUESTER)),
        case("beside a good one of the same moment", True,
             lab(performed=ago(days=1)), lab(performed=ago(days=1), specimen_issues=("haemolysed",))),
        case("not told of a record that is only probable", False,
             lab(specimen_issues=("haemolysed",), identity="probable"), match=Match.PROBABLE),
    ),
)  # fmt: skip

test_specimen_issue = SPEC.test()
