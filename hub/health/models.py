"""Health of the parts of the deployment, which anybody may read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Health(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, str]
    """Part -> ``ok``, or what is wrong."""
