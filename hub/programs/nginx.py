"""nginx, the public face: renders its configuration from the settings, starts it and reloads it.

``atrium.conf`` belongs into the ``http`` block of any nginx: that of :data:`MAIN`, which ``atrium nginx`` runs, or a
site's own, for which ``atrium nginx --write DIRECTORY`` writes it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from hub import certificates, environment, language, tls
from hub.errors import SettingsError
from hub.language import translate
from hub.pages import frame
from hub.settings import Settings

MAIN = "nginx.conf"
API_MB = 8
"""Longest request to the API, as the API itself allows it (``hub.app.LONGEST_BODY``)."""

_TEMPLATES = Path(__file__).parent / "templates"
_MESSAGES = "messages"
_CHECK_SECONDS = 30.0
_SPECIAL = re.compile(r"""[\s"';{}$\\]""")
"""Characters that mean something else in nginx's configuration than in a setting."""

_HEADERS = (
    ("nosniff", "x_content_type_options", "nosniff"),
    ("referrer", "referrer_policy", "same-origin"),
    ("opener", "cross_origin_opener_policy", "same-origin"),
    ("resource", "cross_origin_resource_policy", "same-origin"),
    ("content", "content_security_policy", "$atrium_default_policy"),
    ("transport", "strict_transport_security", "max-age=31536000"),
)
"""Security headers: the variable with its value, the header as nginx names a program's, the default."""

_UNBELIEVED = (
    *("Forwarded", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-User"),
    *("X-Original-URL", "X-Rewrite-URL", "X-Remote-User", "Remote-User"),
)
"""Headers that only a trusted proxy may set, and that nginx sets to nothing."""


@dataclass(frozen=True)
class Message:
    """A page of nginx itself."""

    status: int
    title: str
    text: str
    advice: str

    def json(self) -> str:
        """For programs: as the Hub's API words errors, and as Atrium's API does."""
        error = {"status": self.status, "field": None, "message": self.text, "hint": self.advice}
        return json.dumps({"status": self.status, "message": f"{self.text} {self.advice}", "error": error}) + "\n"


def run(settings: Settings) -> NoReturn:
    """Replace this process by nginx. Its processes have :attr:`Paths.nginx` as working directory, which marks them."""
    folder = settings.paths.nginx
    os.chdir(folder)
    _end_leftovers(folder)
    for socket in (settings.paths.error_page_socket, settings.paths.hub_socket):
        socket.unlink(missing_ok=True)  # of an nginx that was killed
    write(settings, folder)
    environment.become(_command(settings, folder), environment.bare())


def reload(settings: Settings) -> bool:
    """Make the running nginx use the current settings without losing a request; returns whether anything changed.

    :raises SettingsError: nginx refuses the configuration, and goes on with the former one, or does not run.
    """
    folder, draft = settings.paths.nginx, settings.paths.nginx / "draft"
    texts = dict(_files(settings, folder))
    if all((folder / name).exists() and (folder / name).read_text() == text for name, text in texts.items()):
        return False
    _put(texts, draft)
    _check(settings, draft)
    _put(texts, folder)
    try:
        os.kill(int((folder / "nginx.pid").read_text()), signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise SettingsError(f"nginx does not run: {error}.", hint="Start it with make up.") from error
    return True


def write(settings: Settings, folder: Path) -> None:
    """Write the configuration and the pages of nginx itself."""
    _put(dict(_files(settings, folder.resolve())), folder)


def _put(texts: Mapping[str, str], folder: Path) -> None:
    for name, text in texts.items():
        path = folder / name
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o755)
        draft = path.with_name(f"{path.name}.new")
        draft.write_text(text)
        draft.chmod(0o644)  # no secrets, and a site's own nginx has to read it
        draft.rename(path)


def configuration(settings: Settings, folder: Path) -> str:
    """The text of ``atrium.conf``, to be written into ``folder``.

    :raises SettingsError: nginx would read a value as something else.
    """
    values = _values(settings) | {"messages": folder / _MESSAGES}
    for value in map(str, values.values()):
        if _SPECIAL.search(value):
            raise SettingsError(f"{value!r} has a character that nginx's configuration cannot hold.")
    pattern = re.escape(str(values["public_host"]))
    return _render(
        "atrium.conf",
        **values,
        addresses=[_address(address, settings.nginx.port) for address in settings.nginx.listen],
        paths=settings.paths,
        subdomains=settings.site.origins == "subdomain",
        public_host_pattern=pattern,
        port_pattern=_port_pattern(settings),
        headers=_HEADERS,
        unbelieved=_UNBELIEVED,
        hub_certificate=tls.client_file(settings) if settings.hub.internal_ssl else None,
        api_certificate=tls.api_file(settings) if settings.hub.internal_ssl else None,
        api_serial_number=_serial_number(tls.api_file(settings)) if settings.hub.internal_ssl else "",
    )


def _values(settings: Settings) -> dict[str, object]:
    """Single values of the configuration."""
    url = urlsplit(settings.site.public_url)
    return {
        "public_url": settings.site.public_url,
        "public_host": settings.public_host,
        "public_netloc": url.netloc,
        "public_port": url.port or (443 if url.scheme == "https" else 80),
        "scheme": url.scheme,
        "internal_scheme": settings.internal_scheme,
        "api_address": _address(settings.api.host, settings.api.port),
        "hub_address": _address(settings.hub.host, settings.hub.port),
        "upload_mb": settings.nginx.upload_mb,
        "api_mb": API_MB,
        "certificate": settings.nginx.certificate,
        "certificate_key": settings.nginx.certificate_key,
        "run": settings.paths.run,
        "state": settings.paths.state,
    }


def _serial_number(path: Path) -> str:
    """Of a certificate; in the configuration, it makes :func:`reload` load a renewed one. "" if there is none yet."""
    return f"{certificates.read(path).serial_number:x}" if path.exists() else ""


def _port_pattern(settings: Settings) -> str:
    """What follows the name in a Host header. Default ports may be left out, as hub/pages/hosts.py has it."""
    port = urlsplit(settings.site.public_url).port
    return "(:80|:443)?" if port in (None, 80, 443) else f":{port}"


def _address(host: str, port: int) -> str:
    with suppress(ValueError):
        if ip_address(host).version == 6:
            return f"[{host}]:{port}"
    return f"{host}:{port}"


def _files(settings: Settings, folder: Path) -> Iterator[tuple[str, str]]:
    """Every file by its path below ``folder``."""
    yield MAIN, _render(MAIN)
    yield "atrium.conf", configuration(settings, folder)
    for name, message in _messages().items():
        yield f"{_MESSAGES}/{name}.html", _page(settings, message)
        yield f"{_MESSAGES}/{name}.json", message.json()


def _messages() -> dict[str, Message]:
    return {
        "unavailable": Message(
            503,
            translate("Not available at the moment"),
            translate("This part of the service does not answer; it may be restarting."),
            translate("Your files and running notebooks are safe. Try again in a minute."),
        ),
        "too-large": Message(
            413,
            translate("Too large"),
            translate("What was sent is larger than this address accepts, so nothing of it was stored."),
            translate("Send a smaller file, or send it in parts."),
        ),
    }


def _page(settings: Settings, message: Message) -> str:
    return _render(
        "message.html",
        title=message.title,
        text=message.text,
        advice=message.advice,
        theme=(frame.STATIC / "theme.css").read_text(),
        language=language.current(),
        frame=frame.build(
            site_name=settings.site.name,
            hub_url=f"{settings.site.public_url}/hub/",
            dashboards_url=settings.service_url("dashboards"),
            static_url="",
            report_url=settings.site.report_url,
            menu=False,
        ),
        _=translate,
    )


def _render(name: str, **values: Any) -> str:
    templates = Environment(
        loader=FileSystemLoader([_TEMPLATES, frame.TEMPLATES]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return templates.get_template(name).render(values)


def _command(settings: Settings, configuration_folder: Path) -> list[str]:
    folder = settings.paths.nginx
    return [str(settings.nginx.command), "-e", "stderr", "-p", f"{folder}/", "-c", str(configuration_folder / MAIN)]


def _check(settings: Settings, folder: Path) -> None:
    argv = [*_command(settings, folder), "-t", "-q"]
    try:
        result = subprocess.run(argv, capture_output=True, text=True, timeout=_CHECK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"nginx cannot check its configuration: {error}.") from error
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[0]
        raise SettingsError(f"nginx refuses the configuration and goes on with the former one: {reason}")


def _end_leftovers(folder: Path) -> None:
    """Make nginx processes that outlived their killed parent close their ports; their open connections go on."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "comm").read_text() == "nginx\n" and (process / "cwd").samefile(folder):
                os.kill(int(process.name), signal.SIGQUIT)
