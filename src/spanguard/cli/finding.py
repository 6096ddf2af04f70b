"""What `spanguard doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "info", "no", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: in which area, what, how it is (``ok``, ``info``, ``no``, ``unknown``), and why."""

    area: str
    subject: str
    status: Status
    detail: str
