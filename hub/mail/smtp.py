"""SMTP: sends mails one after the other over one connection."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from hub.settings import Settings

CLOSING = 421
TOO_LARGE = (452, 552)
"""Answers to the sender that are about the announced size of the mail (RFC 1870)."""


class Refused(Exception):
    """The mail server refuses this mail permanently."""


class Delayed(Exception):
    """The mail server does not accept this mail now; others may pass."""


class Unreachable(Exception):
    """The mail server accepts no mail now; try again later."""


class Smtp:
    """An SMTP client that connects with the first mail; the deadline of the settings limits each wait."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: smtplib.SMTP | None = None

    def send(self, message: EmailMessage) -> None:
        """Send a mail; raises :class:`Refused`, :class:`Delayed` or :class:`Unreachable`."""
        try:
            self._server = self._server or self._connect()
            self._server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, reply = next(iter(error.recipients.values()))
            raise _failure(code, reply) from error
        except smtplib.SMTPDataError as error:
            raise _failure(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPNotSupportedError, ValueError) as error:
            if not self._is_open():
                raise Unreachable(f"the connection fails ({type(error).__name__}: {error})") from error
            raise Refused(f"the mail server cannot transport this mail ({error})") from error
        except smtplib.SMTPSenderRefused as error:
            if error.smtp_code in TOO_LARGE:
                raise _failure(error.smtp_code, error.smtp_error) from error
            raise Unreachable(_failure_text(error.smtp_code, error.smtp_error)) from error
        except smtplib.SMTPResponseException as error:
            # The server refuses the greeting, the login or the sender: the settings are wrong, not this mail.
            raise Unreachable(_failure_text(error.smtp_code, error.smtp_error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(f"the mail server does not answer ({type(error).__name__})") from error

    def _is_open(self) -> bool:
        """Whether a greeting and a login have succeeded: what fails before them is no mail's fault."""
        return self._server is not None

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


def _failure(code: int, reply: bytes | str) -> Refused | Delayed | Unreachable:
    """A refusal of one mail: 5xx is permanent, others are temporary; 421 closes the connection (RFC 5321, 4.2)."""
    kind = Refused if 500 <= code < 600 else Unreachable if code == CLOSING else Delayed
    return kind(_failure_text(code, reply))


def _failure_text(code: int, reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"the mail server answered {code} {' '.join(text.split())[:300]}"
