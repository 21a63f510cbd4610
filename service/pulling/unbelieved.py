"""A listing that names so little of what was pulled that it is not believed: a broken view, and no deletions."""

from __future__ import annotations

from typing import NamedTuple


class Unbelieved(NamedTuple):
    """How many of a scope's records the listing does not name. It is kept with its source until one is believed."""

    missing: int
    total: int
    scope: str

    def as_text(self) -> str:
        """As it is stored."""
        return f"{self.missing}|{self.total}|{self.scope}"

    @classmethod
    def read(cls, text: str) -> Unbelieved:
        """From what is stored."""
        missing, total, scope = text.split("|", 2)
        return cls(int(missing), int(total), scope)

    @property
    def zh(self) -> str:
        """In Chinese."""
        return (
            f"来源清单缺少 {self.scope} 的 {self.total} 条记录中的 {self.missing} 条，数量过多，未按删除处理："
            "请核对来源系统的视图与账号权限"
        )

    @property
    def en(self) -> str:
        """In English."""
        return (
            f"{self.missing} of {self.total} records of {self.scope} are missing at the source: too many to be "
            "deletions; nothing was withdrawn. Mend the source's view, or its account's rights"
        )
