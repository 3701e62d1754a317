"""Health checks, one for each program, with a deadline; they return "" or what is wrong."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from deploy.dev import settings
from deploy.dev.command import CLEAN, attempt
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout
from deploy.dev.unix_http import UnixConnection

Check = Callable[[], str]

_DEADLINE = 5.0
_READY_STATES = ("idle", "mixed", "allocated", "completing", "planned", "reserved")


def munge(layout: Layout) -> str:
    socket = f"--socket={layout.munge_socket}"
    return _failure(["munge", "--no-input", socket]) or _failure(["unmunge", socket], stdin=_credential(socket))


def _credential(socket: str) -> str:
    return attempt(["munge", "--no-input", socket], deadline=_DEADLINE).stdout


def mariadb(layout: Layout) -> str:
    return _failure(["mariadb-admin", "--no-defaults", f"--socket={layout.database_socket}", "ping"])


def slurmdbd(layout: Layout) -> str:
    argv = ["sacctmgr", "--noheader", "--parsable2", "show", "cluster", "format=cluster"]
    return _failure(argv, environment=layout.slurm_environment)


def slurmctld(layout: Layout) -> str:
    return _failure(["scontrol", "ping"], environment=layout.slurm_environment, expect=" is UP")


def node(layout: Layout, name: str) -> str:
    """The node is ready for jobs, or busy with some."""
    argv = ["sinfo", "--noheader", "--Node", f"--nodes={name}", "--format=%T"]
    result = _ask(argv, layout.slurm_environment)
    state = result.partition("\n")[0].strip()
    return "" if state in _READY_STATES else f"the node is {state or 'unknown to Slurm'}"


def existing_slurm(layout: Layout) -> str:
    """The site's own Slurm, which this copy uses and does not run."""
    return _failure(["sinfo", "--noheader"], environment=layout.slurm_environment)


def proxy_api(layout: Layout) -> str:
    return _routes(layout, ())


def proxy(layout: Layout) -> str:
    """The proxy has its route to the Hub."""
    return _routes(layout, ("/",))


def _routes(layout: Layout, expected: tuple[str, ...]) -> str:
    token = (layout.secrets / "proxy").read_text().strip()
    tls = internal_tls(layout)
    address = f"{_scheme(tls)}://127.0.0.1:{layout.ports['proxy-api']}/api/routes"
    answer = _get(address, {"Authorization": f"token {token}"}, tls)
    if isinstance(answer, str):
        return answer
    missing = [path for path in expected if path not in answer]
    return f"no route to {', '.join(missing)} yet" if missing else ""


def nginx(layout: Layout) -> str:
    """nginx answers at every address of the settings, whatever it answers."""
    port = layout.ports["nginx"]
    for address in settings.value(layout, "nginx", "listen") or ["127.0.0.1"]:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
        if wrong := _silent(http.client.HTTPConnection(host, port, timeout=_DEADLINE)):
            return f"no answer at {host} port {port} ({wrong})"
    return ""


def _silent(connection: http.client.HTTPConnection, path: str = "/") -> str:
    """Why there is no HTTP answer at ``path``; "" for any answer but an error of the server."""
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return f"answers {status}" if status >= 500 else ""


def hub(layout: Layout) -> str:
    return hub_api(layout) or proxy(layout)


def hub_api(layout: Layout) -> str:
    # The Hub distinguishes users' domains from its own by the Host header.
    host = urlsplit(settings.public_url(layout)).netloc
    tls = internal_tls(layout)
    answer = _get(f"{_scheme(tls)}://127.0.0.1:{layout.ports['hub']}/hub/api", {"Host": host}, tls)
    return answer if isinstance(answer, str) else ""


def internal_tls(layout: Layout) -> ssl.SSLContext | None:
    """TLS context for Hub, proxy and API with ``internal_ssl`` (hub/tls.py); None without TLS."""
    if not settings.value(layout, "hub", "internal_ssl"):
        return None
    try:
        context = ssl.create_default_context(cafile=layout.client_certificate)
        context.load_cert_chain(layout.client_certificate)
    except OSError:
        return ssl.create_default_context()  # not created yet, so the check fails and says so
    return context


def _scheme(tls: ssl.SSLContext | None) -> str:
    return "http" if tls is None else "https"


def api(layout: Layout) -> str:
    answer = _api_health(layout)
    return answer if isinstance(answer, str) else ""


def worker(layout: Layout) -> str:
    answer = _api_health(layout)
    return answer if isinstance(answer, str) else _unless_ok(str(answer.get("checks", {}).get("worker", "unknown")))


def _api_health(layout: Layout) -> Any:
    tls = internal_tls(layout)
    return _get(f"{_scheme(tls)}://127.0.0.1:{layout.ports['api']}/services/atrium/api/health", tls=tls)


def storage(layout: Layout) -> str:
    """Which file systems are nearly full, according to the API; a warning, because everything still works."""
    answer = _api_health(layout)
    checks = answer.get("checks", {}) if isinstance(answer, dict) else {}
    return _unless_ok(str(checks.get("storage", "not known: the API does not answer")))


def free_gb(layout: Layout) -> float:
    """Free space where Atrium keeps its state, in GB."""
    return shutil.disk_usage(layout.state).free / 1e9


def dashboards(layout: Layout) -> str:
    connection = UnixConnection(layout.dashboards_socket, timeout=_DEADLINE)
    wrong = _silent(connection, "/services/dashboards/health")
    return f"no answer at {layout.dashboards_socket} ({wrong})" if wrong else ""


def _unless_ok(text: str) -> str:
    return "" if text == "ok" else text


def _get(address: str, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> Any:
    """The JSON at ``address``, or the error as a string."""
    try:
        request = urllib.request.Request(address, headers=headers or {})  # noqa: S310
        with urllib.request.urlopen(request, timeout=_DEADLINE, context=tls) as reply:  # noqa: S310
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return f"answers {error.code} at {urlsplit(address).path}"
    except (OSError, ValueError) as error:
        return f"no answer at {urlsplit(address).netloc} ({getattr(error, 'reason', error)})"


def _failure(argv: list[str], *, environment: dict[str, str] | None = None, stdin: str = "", expect: str = "") -> str:
    """Why a command failed or did not print ``expect``; "" if it succeeded."""
    try:
        result = attempt(argv, deadline=_DEADLINE, environment={**CLEAN, **(environment or {})}, stdin=stdin)
    except DeployError as error:
        return str(error)
    if result.returncode == 0 and expect in result.stdout:
        return ""
    output = (result.stderr.strip() or result.stdout.strip() or "nothing").splitlines()
    return f"{argv[0]} says: {output[-1].strip()}"


def _ask(argv: list[str], environment: dict[str, str]) -> str:
    try:
        return attempt(argv, deadline=_DEADLINE, environment={**CLEAN, **environment}).stdout
    except DeployError:
        return ""
