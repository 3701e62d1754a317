"""Errors of Atrium: an HTTP status, a sentence for people, and optionally the field and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


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
    """A value in the request is not allowed."""

    status = 422


class NotSignedIn(AtriumError):
    """The request has no token, or the Hub does not know it."""

    status = 401
    hint = "Sign in again."


class NotAllowed(AtriumError):
    """The person is signed in but lacks the permission."""

    status = 403


class NotFound(AtriumError):
    status = 404


class Conflict(AtriumError):
    """The request conflicts with the current state, such as a change by somebody else."""

    status = 409
    hint = "Reload, then try again."


class TermsNotAccepted(Conflict):
    """A person has to read and accept conditions first.

    ``terms``: a JSON object for each offer to choose from, with its ``offer``, ``conditions`` and ``digest``.
    """

    hint = "Read the conditions, then repeat the request with the digest in `accepted`."

    def __init__(self, message: str, *, field: str | None = "accepted", hint: str | None = None) -> None:
        super().__init__(message, field=field, hint=hint)
        self.terms: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, message: str, terms: Iterable[dict[str, Any]]) -> TermsNotAccepted:
        """The error with the conditions of each offer."""
        error = cls(message)
        error.terms = tuple(terms)
        return error


class TooManyAttempts(AtriumError):
    """Passwords, tokens or codes were wrong too often. ``seconds``: until the next attempt is allowed."""

    status = 429
    seconds: int | None = None

    @classmethod
    def until(cls, seconds: int) -> TooManyAttempts:
        """The error of an attempt that has to wait."""
        error = cls("Too many attempts.", hint=f"Try again in {seconds} seconds.")
        error.seconds = seconds
        return error


class HubUnavailable(AtriumError):
    """The Hub did not answer in time."""

    status = 503
    hint = "Try again in a minute."


class SlurmError(AtriumError):
    """Slurm refused the request."""

    status = 502


class SlurmUnavailable(SlurmError):
    """Slurm did not answer: its state is unknown, so no job counts as ended."""

    status = 503
    hint = "Running notebooks continue. Try again in a minute."


class SlurmNotReached(SlurmUnavailable):
    """No connection to Slurm could be made, so it has not received the request."""
