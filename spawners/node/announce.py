"""Requests of a server to the Hub: its port, the reason of its end, and when its job ends (handled by
spawners/handshake.py).

Uses the standard library's client, because importing another one delays the start.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hub.slurm import steps
from hub.slurm.steps import StartStep

if TYPE_CHECKING:
    import ssl

ANNOUNCE_SECONDS = 120.0
"""How long the Hub may be away (a restart, a network that blinks) before the server gives up, unless its job says
otherwise (``spawn.unreachable_seconds`` of hub/settings.py)."""
FAREWELL_SECONDS = 3.0
EXIT_UNREACHABLE = 70

_ANSWER_SECONDS = 10.0
_ANSWER_BYTES = 1000
_PAUSES = (0.1, 0.3, 1.0, 2.0, 5.0)


def announce_in_background(port: int, environment: Mapping[str, str] = os.environ) -> None:
    """Announce the port from a thread during the start; ends the process if the Hub cannot be reached."""
    if "JUPYTERHUB_API_URL" in environment:
        Thread(target=_announce_or_end, args=(port, environment), name="announce", daemon=True).start()


def _announce_or_end(port: int, environment: Mapping[str, str]) -> None:
    _say(steps.line(environment.get("SLURM_JOB_ID"), StartStep.ANNOUNCE))
    if announce(port, environment, seconds=float(environment.get("ATRIUM_UNREACHABLE_SECONDS", ANNOUNCE_SECONDS))):
        return
    _say(f"This node cannot reach the Hub at {environment['JUPYTERHUB_API_URL']}; ending.")
    os._exit(EXIT_UNREACHABLE)  # a thread cannot end the process in another way


def announce(
    port: int,
    environment: Mapping[str, str],
    *,
    seconds: float = ANNOUNCE_SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether the Hub accepted ``port`` within ``seconds``. Refusals are retried, too: a Hub that has just been
    restarted knows its servers a moment later."""
    until = time.monotonic() + seconds
    attempt = 0
    while True:
        try:
            _post(environment, {"port": port}, _ANSWER_SECONDS)
        except (OSError, ValueError) as error:
            _say(f"The Hub did not take the port (attempt {attempt + 1}): {error}")
        else:
            return True
        wait = _PAUSES[min(attempt, len(_PAUSES) - 1)]
        if time.monotonic() + wait > until:
            return False
        pause(wait)
        attempt += 1


def farewell(word: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell the Hub why this server goes (``idle``, ``time limit``, ``finished``), so that it takes the route away at
    once. As well as can be: never raises, never takes longer than :data:`FAREWELL_SECONDS`."""
    if "JUPYTERHUB_API_URL" not in environment:
        return
    telling = Thread(target=_try_farewell, args=(word, environment), name="farewell", daemon=True)
    telling.start()
    telling.join(FAREWELL_SECONDS)


def _try_farewell(word: str, environment: Mapping[str, str]) -> None:
    try:
        _post(environment, {"farewell": word}, FAREWELL_SECONDS)
    except (OSError, ValueError) as error:
        _say(f"The Hub did not hear the farewell: {error}")


def job_end(environment: Mapping[str, str]) -> float | None:
    """When Slurm ends this server's job, as the Hub last saw it, in seconds since the epoch; None: not known."""
    if "JUPYTERHUB_API_URL" not in environment:
        return None
    try:
        answer = json.loads(_request(environment, "GET", None, _ANSWER_SECONDS))
    except (OSError, ValueError) as error:
        _say(f"The Hub does not tell when this job ends: {error}")
        return None
    ends = answer.get("ends") if isinstance(answer, dict) else None
    return float(ends) if isinstance(ends, int | float) else None


class Refused(OSError):
    """The Hub refused the request."""


def _post(environment: Mapping[str, str], message: dict[str, object], seconds: float) -> None:
    _request(environment, "POST", json.dumps(message), seconds)


def _request(environment: Mapping[str, str], method: str, body: str | None, seconds: float) -> bytes:
    """The Hub's answer; raises OSError (no answer, a refusal) or ValueError (invalid address)."""
    import http.client

    address = urlsplit(environment["JUPYTERHUB_API_URL"])
    if not address.hostname:
        raise ValueError("JUPYTERHUB_API_URL is no address")
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        connection = http.client.HTTPSConnection(
            address.hostname, address.port, timeout=seconds, context=_tls(environment)
        )
    else:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=seconds)
    headers = {
        "Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}",
        "Content-Type": "application/json",
    }
    try:
        connection.request(method, f"{address.path}/batchspawner", body, headers)
        answer = connection.getresponse()
        content = answer.read(_ANSWER_BYTES)
        if not 200 <= answer.status < 300:
            raise Refused(f"status {answer.status} ({content[:200].decode(errors='replace')})")
        return content
    except http.client.HTTPException as error:
        raise Refused(f"no answer that can be read ({type(error).__name__})") from error
    finally:
        connection.close()


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """TLS context with the Hub's authority and the server's certificate, if ``internal_ssl`` is on."""
    import ssl

    context = ssl.create_default_context(cafile=environment["JUPYTERHUB_SSL_CLIENT_CA"])
    context.load_cert_chain(environment["JUPYTERHUB_SSL_CERTFILE"], environment["JUPYTERHUB_SSL_KEYFILE"])
    return context


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  Jupyter's log may not be set up
