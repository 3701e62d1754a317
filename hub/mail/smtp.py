"""The way out: one mail after the other over one SMTP connection."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from hub.settings import Settings


class Refused(Exception):
    """The mail server will never take this mail."""


class Unreachable(Exception):
    """The mail server takes nothing now; it may later."""


class Smtp:
    """Connects when the first mail needs it; every wait has the deadline of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: smtplib.SMTP | None = None

    def carry(self, message: EmailMessage) -> None:
        """Hand one mail over; raises :class:`Refused` or :class:`Unreachable`."""
        try:
            self._server = self._server or self._connect()
            self._server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _failure(code, said) from error
        except smtplib.SMTPDataError as error:
            raise _failure(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPResponseException as error:
            # A greeting, a sign-in or a sender it does not like: that is our settings, not this mail.
            raise Unreachable(_said(error.smtp_code, error.smtp_error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(f"the mail server does not answer ({type(error).__name__})") from error

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _connect(self) -> smtplib.SMTP:
        mail, tls = self._settings.mail, ssl.create_default_context()
        server: smtplib.SMTP
        if mail.smtp_security == "tls":
            server = smtplib.SMTP_SSL(mail.smtp_host, mail.smtp_port, timeout=mail.deadline_seconds, context=tls)
        else:
            server = smtplib.SMTP(mail.smtp_host, mail.smtp_port, timeout=mail.deadline_seconds)
        if mail.smtp_security == "starttls":
            server.starttls(context=tls)
        if mail.smtp_user:
            server.login(mail.smtp_user, self._settings.secret("smtp"))
        return server


@contextmanager
def connection(settings: Settings) -> Iterator[Smtp]:
    smtp = Smtp(settings)
    try:
        yield smtp
    finally:
        smtp.close()


def _failure(code: int, said: bytes | str) -> Refused | Unreachable:
    """5xx is for good, anything else for now (RFC 5321, 4.2.1)."""
    kind = Refused if 500 <= code < 600 else Unreachable
    return kind(_said(code, said))


def _said(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"the mail server answered {code} {' '.join(text.split())[:300]}"
