"""Every error Atrium raises: a status, the field it is about if any, and one sentence for the person."""

from __future__ import annotations


class AtriumError(Exception):
    """Base of all: ``status`` is the HTTP status, ``hint`` what to do next."""

    status = 500
    hint = ""

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if hint is not None:
            self.hint = hint


class SettingsError(AtriumError):
    """The deployment's settings are wrong or unreadable."""


class InvalidInput(AtriumError):
    """A value somebody sent is not allowed."""

    status = 422


class NotSignedIn(AtriumError):
    """No token, or one the Hub does not know."""

    status = 401
    hint = "Sign in again."


class NotAllowed(AtriumError):
    """Signed in, but without the right to do this."""

    status = 403


class NotFound(AtriumError):
    status = 404


class Conflict(AtriumError):
    """Somebody else was quicker, or the thing is no longer in the state it was in."""

    status = 409
    hint = "Look at it again, then decide."


class HubUnavailable(AtriumError):
    """The Hub did not answer in time."""

    status = 503
    hint = "Try again in a minute."


class SlurmError(AtriumError):
    """Slurm answered, and refused."""

    status = 502


class SlurmUnavailable(SlurmError):
    """Slurm could not be asked: nothing is known, and nothing may be concluded."""

    status = 503
    hint = "Running notebooks go on. Try again in a minute."
