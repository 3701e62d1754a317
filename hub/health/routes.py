"""``/health``: the one route for everybody."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from hub.context import Sessions
from hub.db.base import now
from hub.health import service
from hub.health.models import Health

router = APIRouter(tags=["health"])


@router.get("/health")
def health(request: Request, response: Response, sessions: Sessions) -> Health:
    """Whether the factory's parts are alive; 503 only when nothing can be served at all."""
    found = service.health(sessions, service.patience(request.state.settings), now())
    if found.checks["database"] != "ok":
        response.status_code = 503
    return found
