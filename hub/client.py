"""The API's client for kernels, servers and scripts: httpx and models, nothing of the server.

>>> with Api.from_environment() as api:  # doctest: +SKIP
...     print(api.me().display_name)
Founder
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from hub.access.models import MemberRole
from hub.announcements.models import Announcement, Severity
from hub.dataspace.client import Dataspace, Read
from hub.errors import (
    AtriumError,
    HubUnavailable,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    SettingsError,
    SlurmError,
)
from hub.health.models import Health
from hub.home.models import Me, Overview
from hub.identity.models import Role
from hub.usage.models import Hours, ProjectHours

__all__ = [
    "Announcement",
    "Api",
    "Health",
    "Hours",
    "Me",
    "MemberRole",
    "Overview",
    "ProjectHours",
    "Role",
    "Severity",
]

DEADLINE_SECONDS = 10.0

_ERRORS: dict[int, type[AtriumError]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    422: InvalidInput,
    502: SlurmError,
    503: HubUnavailable,
}

Model = TypeVar("Model", bound=BaseModel)


class Api:
    """Atrium's API on behalf of the owner of ``token``; what fails raises a class of :mod:`hub.errors`."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        # trust_env: a proxy named in the environment is none of this client's business.
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"token {token}"},
            timeout=DEADLINE_SECONDS,
            trust_env=False,
            transport=transport,
        )

    @classmethod
    def from_environment(cls) -> Self:
        """As the environment of a notebook server or a dashboard says."""
        return cls(_variable("ATRIUM_API_URL"), _variable("JUPYTERHUB_API_TOKEN"))

    def me(self) -> Me:
        """Who I am and what is left of my projects."""
        return self._get("/me", Me)

    def overview(self, name: str) -> Overview:
        """What ``name`` sees first; only ``name`` and the Hub's pages may ask."""
        return self._get(f"/people/{quote(name, safe='')}/overview", Overview)

    def health(self) -> Health:
        """Whether the factory's parts are alive."""
        return self._get("/health", Health)

    @property
    def dataspace(self) -> Dataspace:
        """Searching, publishing and harvesting data."""
        return Dataspace(self._ask)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str, model: type[Model]) -> Model:
        try:
            return _read(self._http.get(path), model)
        except httpx.HTTPError as error:
            raise HubUnavailable(f"Atrium did not answer ({type(error).__name__}).") from error

    def _ask(
        self,
        method: str,
        path: str,
        read: TypeAdapter[Read],
        *,
        params: dict[str, Any] | None = None,
        body: BaseModel | None = None,
        seconds: float | None = None,
    ) -> Read:
        content = None if body is None else body.model_dump(mode="json", exclude_defaults=True)
        timeout = DEADLINE_SECONDS if seconds is None else seconds
        try:
            response = self._http.request(method, path, params=params, json=content, timeout=timeout)
        except httpx.HTTPError as error:
            raise HubUnavailable(f"Atrium did not answer ({type(error).__name__}).") from error
        if not response.is_success:
            raise _refusal(response)
        try:
            return read.validate_json(response.content or b"null")
        except ValidationError as error:
            raise HubUnavailable("Atrium's answer cannot be read; is another version of it running?") from error


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set.", hint="Run this in a notebook or a dashboard of the factory.")
    return value


def _read(response: httpx.Response, model: type[Model]) -> Model:
    # A part that is down makes health answer 503, with the same body as ever.
    if response.is_success or (model is Health and response.status_code == 503):
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise HubUnavailable("Atrium's answer cannot be read; is another version of it running?") from error
    raise _refusal(response)


def _refusal(response: httpx.Response) -> AtriumError:
    kind = _ERRORS.get(response.status_code, AtriumError)
    try:
        told = response.json()["error"]
        return kind(str(told["message"]), field=told.get("field"), hint=told.get("hint"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return kind(f"Atrium answered with status {response.status_code}.")
