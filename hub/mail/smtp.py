"""SMTP: sends mails one after the other over one connection."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from hub.settings import Settings


class Refused(Exception):
    """The mail server refuses this mail permanently."""


class Unreachable(Exception):
    """The mail server accepts no mail now; try again later."""


class Smtp:
    """An SMTP client that connects with the first mail; the deadline of the settings limits each wait."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: smtplib.SMTP | None = None

    def send(self, message: EmailMessage) -> None:
        """Send a mail; raises :class:`Refused` or :class:`Unreachable`."""
        try:
            self._server = self._server or self._connect()
            self._server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, reply = next(iter(error.recipients.values()))
            raise _failure(code, reply) from error
        except smtplib.SMTPDataError as error:
            raise _failure(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPResponseException as error:
            # The server refuses the greeting, the login or the sender: the settings are wrong, not this mail.
            raise Unreachable(_failure_text(error.smtp_code, error.smtp_error)) from error
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


def _failure(code: int, reply: bytes | str) -> Refused | Unreachable:
    """5xx is permanent, other codes are temporary (RFC 5321, 4.2.1)."""
    kind = Refused if 500 <= code < 600 else Unreachable
    return kind(_failure_text(code, reply))


def _failure_text(code: int, reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"the mail server answered {code} {' '.join(text.split())[:300]}"
