"""HTTP connection to Atrium's API, used by the client of each subject. Needs httpx2 and pydantic only."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from hub.errors import (
    AtriumError,
    Conflict,
    HubUnavailable,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    SettingsError,
    SlurmError,
    StorageFull,
    TermsNotAccepted,
    TooManyAttempts,
)

DEADLINE_SECONDS = 10.0

ERRORS: Mapping[int, type[AtriumError]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
    429: TooManyAttempts,
    502: SlurmError,
    503: HubUnavailable,
    507: StorageFull,
}

Model = TypeVar("Model")


class Connection:
    """Requests on behalf of the owner of ``token``. Errors are classes of :mod:`hub.errors`.

    :param token: the token, or what returns it at each request.
    :param authority: file with the authority that the API's certificate is signed by; None: the public ones.
    :raises SettingsError: the authority cannot be read.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        authority: str | Path | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._token = token
        # trust_env: do not use a proxy that the environment names.
        self._http = httpx2.Client(
            base_url=url,
            timeout=DEADLINE_SECONDS,
            trust_env=False,
            transport=transport,
            verify=verification(authority),
        )

    def get(
        self,
        path: str,
        model: type[Model],
        /,
        *,
        seconds: float = DEADLINE_SECONDS,
        accept: Collection[int] = (),
        **query: Any,
    ) -> Model:
        """Read ``path`` and return the response as ``model``.

        :param accept: statuses besides success whose answer is read like one.
        :param query: of the address; None is left out.
        """
        response = self._request("GET", path, params=_stated(query), timeout=seconds)
        return _read(response if response.status_code in accept else _checked(response), model)

    def send(
        self,
        method: str,
        path: str,
        body: BaseModel | dict[str, Any] | None,
        model: type[Model],
        *,
        seconds: float = DEADLINE_SECONDS,
        **query: Any,
    ) -> Model:
        """Send ``body`` as JSON and return the response as ``model``.

        :param query: of the address; None is left out.
        """
        json = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        params = _stated(query) or None  # of httpx2, {} would remove a query that the path has
        return _read(_checked(self._request(method, path, json=json, params=params, timeout=seconds)), model)

    def delete(self, path: str) -> None:
        _checked(self._request("DELETE", path))

    def content(self, path: str) -> bytes:
        """The body of a response, such as a PDF."""
        return _checked(self._request("GET", path)).content

    def put_bytes(self, path: str, body: bytes, model: type[Model], *, seconds: float, **query: Any) -> Model:
        """Send ``body`` as it is and return the response as ``model``; ``query`` is of the address."""
        response = self._request("PUT", path, params=query, content=body, timeout=seconds)
        return _read(_checked(response), model)

    def close(self) -> None:
        self._http.close()

    def _request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        token = self._token if isinstance(self._token, str) else self._token()
        headers = {"Authorization": f"token {token}"}
        try:
            return self._http.request(method, path, headers=headers, **options)
        except httpx2.TimeoutException as error:
            raise HubUnavailable("Atrium did not answer in time.") from error
        except httpx2.HTTPError as error:
            raise HubUnavailable("Atrium cannot be reached.") from error


def verification(authority: str | Path | None) -> ssl.SSLContext | bool:
    """httpx2's ``verify`` for an API whose certificate ``authority`` has signed; raises :class:`SettingsError`."""
    if not authority:
        return True
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        hint = "Restart your server. If the problem continues, report it."
        raise SettingsError(
            f"The authority of Atrium's API, {authority}, cannot be read: {error}.", hint=hint
        ) from error


def part(text: str) -> str:
    """``text`` quoted as one segment of a path."""
    return quote(text, safe="")


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    """The adapter of a model, built once because building takes longer than reading a response."""
    return TypeAdapter(model)


def _stated(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _read(response: httpx2.Response, model: type[Model]) -> Model:
    adapter: TypeAdapter[Model] = _adapter(cast(Any, model))
    try:
        return adapter.validate_json(response.content)
    except ValidationError as error:
        raise HubUnavailable("Atrium's response cannot be read; it may be another version.") from error


def _checked(response: httpx2.Response) -> httpx2.Response:
    if not response.is_success:
        raise refusal(response)
    return response


def refusal(
    response: httpx2.Response, *, errors: Mapping[int, type[AtriumError]] = ERRORS, sender: str = "Atrium"
) -> AtriumError:
    """The error in a response without success.

    :param errors: the error's class by the response's status.
    :param sender: who answered, for a response without an error in it.
    """
    kind = errors.get(response.status_code, AtriumError)
    try:
        details = response.json()["error"]
        if kind is Conflict and (terms := details.get("terms")):
            return TermsNotAccepted.of(str(details["message"]), terms)
        return kind(str(details["message"]), field=details.get("field"), hint=details.get("hint"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return kind(f"{sender} answered with status {response.status_code}.")
