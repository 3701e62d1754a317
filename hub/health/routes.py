"""``/health``: open to everybody."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from hub.context import Sessions
from hub.db.base import now
from hub.health import service
from hub.health.models import Health

router = APIRouter(tags=["health"])


@router.get("/health")
def read_health(request: Request, response: Response, sessions: Sessions) -> Health:
    """Check whether the database, the worker and Slurm answer, and whether storage is nearly full.

    Needs no token. 503 if the database does not answer; the other checks are in the body.
    """
    health = service.health(sessions, request.state.settings, now())
    if health.checks["database"] != "ok":
        response.status_code = 503
    return health
