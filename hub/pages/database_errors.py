"""What the Hub answers when its database fails: 507 when storage is full, 503 otherwise, and not "unknown token".

JupyterHub notes a person's activity at each request. If that cannot be stored, the person would count as not signed in.
"""

from __future__ import annotations

from typing import Any, cast

from jupyterhub.handlers.base import BaseHandler
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from tornado import web

from hub.db.engine import is_storage_full
from hub.language import translate

_Handler: Any = BaseHandler  # its methods are replaced
_get_current_user = _Handler.get_current_user
_handle_exception = _Handler._handle_request_exception


def http_error(error: SQLAlchemyError) -> web.HTTPError:
    """The response to a request that the database failed."""
    if is_storage_full(error):
        answer: Any = web.HTTPError(507, "storage is full")
        message = translate("Storage is full, so nothing was stored. Ask an administrator to make room.")
    else:
        answer = web.HTTPError(503, "the database failed: %s", type(error).__name__)
        message = translate("The Hub's database does not answer. Try again in a minute.")
    answer.jupyterhub_message = message
    return cast(web.HTTPError, answer)


async def _current_user(self: Any) -> Any:
    """JupyterHub's own; if storage is full, once more without a note of the activity."""
    try:
        return await _current_user_or_remember(self)
    except SQLAlchemyError as error:
        if not is_storage_full(error):
            raise
        self.log.error("Storage is full: activity is not noted")
        del self._jupyterhub_user, self.atrium_database_error
        self._record_activity = lambda *_args: False
        return await _current_user_or_remember(self)


async def _current_user_or_remember(self: Any) -> Any:
    """JupyterHub's own; it takes a failure for a request without a person, so the failure is remembered."""
    try:
        return await _get_current_user(self)
    except SQLAlchemyError as error:
        self.db.rollback()
        self.atrium_database_error = error
        raise


def _handle_request_exception(self: Any, error: BaseException) -> None:
    if isinstance(error, SQLAlchemyError) and not isinstance(error, IntegrityError):
        self.log.error("The database failed: %s", type(error).__name__, exc_info=error)
        self.db.rollback()
        try:
            raise http_error(error) from error
        except web.HTTPError as answer:  # raised, because Tornado shows the exception that is being handled
            _handle_exception(self, answer)
    else:
        _handle_exception(self, error)


def install() -> None:
    """Give JupyterHub's handlers these answers; called after all others that change how requests are prepared."""
    prepare = _Handler.prepare

    async def prepare_with_database(self: Any) -> None:
        try:
            await prepare(self)
        finally:  # JupyterHub refuses a request without a person
            error = getattr(self, "atrium_database_error", None)
            if error is not None:
                raise http_error(error) from error

    _Handler.prepare = prepare_with_database
    _Handler.get_current_user = _current_user
    _Handler._handle_request_exception = _handle_request_exception
