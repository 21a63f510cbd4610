"""One function per reason code, in small files by family. All are always evaluated."""

from service.matching.rules import certificate, encounter, identity, imaging, quality, time

LAB_RULES = (*identity.RULES, *encounter.RULES, *time.RULES, *certificate.RULES, *quality.RULES)
EXAM_RULES = (
    *identity.RULES,
    *encounter.RULES,
    *time.RULES,
    *certificate.RULES,
    quality.not_final,
    *imaging.RULES,
)

__all__ = ["EXAM_RULES", "LAB_RULES"]
