"""Which of two versions is the older one."""

from __future__ import annotations


def is_older(at: int | None, rank: int, than_at: int | None, than_rank: int) -> bool:
    """Whether a version that arrives is older than the one that is there (contract, section 3, fact "version").

    The sources' own times decide where both are known and differ, else the rank of the status; what is equal in both
    is not older: then the later arrival stands.
    """
    if at is not None and than_at is not None and at != than_at:
        return at < than_at
    return rank < than_rank
