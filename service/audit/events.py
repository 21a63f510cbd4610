"""What can happen and is recorded: a closed list, named source:subject:action."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """Everything the audit log can say. A name, once used, keeps its meaning for ever."""

    DECISION_MADE = "decision:order:decided"
    DECISION_READ = "decision:record:read"
    DECISION_REPLAYED = "decision:record:replayed"
    ORDER_SHOWN = "decision:order:shown"
    ORDER_RETRIEVED = "decision:order:retrieved"
    ORDER_CITED = "decision:order:cited"
    ORDER_REVOKED = "decision:order:revoked"
    ORDER_RECOGNISED = "decision:order:recognised"
    ORDER_REPEATED = "decision:order:repeated"
    DECISION_INVALIDATED = "identity:decision:invalidated"
    DECISION_SUPERSEDED = "identity:decision:superseded"
    IDENTITY_EXPORTED = "identity:index:exported"
    IDENTITY_REBUILT = "identity:index:rebuilt"
    IDENTITY_EXPLAINED = "identity:records:explained"
    REVIEW_READ = "identity:review:read"
    LINK_PROPOSED = "identity:records:link-proposed"
    LINK_CONFIRMED = "identity:records:linked"
    UNLINKED = "identity:records:unlinked"
    RULED_NOT_SAME = "identity:records:ruled-not-same"
    RULING_WITHDRAWN = "identity:records:withdrawn"
    NOTICES_READ = "notice:list:read"
    REPORT_READ = "report:content:read"
    IMAGES_LISTED = "images:list:read"
    IMAGES_OPENED = "images:study:opened"
    IMAGES_GIVEN = "images:study:given"
    IMAGES_REFUSED = "images:study:refused"
    RECOGNITIONS_READ = "recognition:list:read"
    STATISTICS_READ = "statistics:counts:read"
    REPORTS_LOADED = "registry:reports:loaded"
    REPORTS_REREAD = "registry:reports:reread"
    SOURCE_PULLED = "registry:source:pulled"
    SOURCE_CHECKED = "registry:source:checked"
    SOURCE_REPLAYED = "registry:source:replayed"
    NETWORK_LOADED = "reference:network:loaded"
    CATALOGUE_LOADED = "reference:catalogue:loaded"
    TOKEN_ISSUED = "security:token:issued"  # noqa: S105 - the name of an event
    KEYS_ROTATED = "security:keys:rotated"
