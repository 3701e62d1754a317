"""Whether the factory's parts are alive, as anybody may know it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Health(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, str]
    """Part -> ``ok``, or a few plain words on what is wrong."""
