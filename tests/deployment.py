"""A deployment on this machine as tests and benchmarks see it: its files, its people, its Slurm and its supervisor."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hub import tls
from hub.client import Api
from hub.settings import Settings

COMMAND_SECONDS = 60


@dataclass(frozen=True)
class Deployment:
    """One copy of Atrium, found by its prefix (``/`` is the main copy). Reading passwords needs root."""

    prefix: Path = Path("/")

    @classmethod
    def from_environment(cls) -> Deployment:
        """The copy that ``ATRIUM_PREFIX`` names, the main one unless set."""
        return cls(Path(os.environ.get("ATRIUM_PREFIX") or "/"))

    @property
    def etc(self) -> Path:
        return self.prefix / "etc/atrium"

    @property
    def slurm_conf(self) -> Path:
        return self.settings.slurm.conf or Path("/etc/slurm/slurm.conf")

    @property
    def hub_python(self) -> Path:
        return self.prefix / "opt/atrium/hub/bin/python"

    @property
    def user_python(self) -> Path:
        return self.prefix / "opt/atrium/user/bin/python"

    @property
    def settings(self) -> Settings:
        """What its ``atrium.toml`` says, whatever the environment of this process is."""
        tables: dict[str, Any] = tomllib.loads((self.etc / "atrium.toml").read_text())
        sections = {name: cast(type, Settings.model_fields[name].annotation)(**table) for name, table in tables.items()}
        return Settings.model_construct(**sections)

    def api(self, token: str) -> Api:
        """The API's client as notebooks have it."""
        return Api(self.settings.api_url, token, authority=tls.authority_of_api(self.settings))

    @property
    def certificate(self) -> ssl.SSLContext | bool:
        """What Atrium's own programs show to the Hub, the proxy and the API, for httpx2's ``verify``; needs root."""
        return tls.client_context(self.settings)

    @property
    def public_url(self) -> str:
        """Origin of the Hub, ``http://localhost:8000``."""
        return self.settings.site.public_url

    def origin_of(self, name: str) -> str:
        """Origin of ``name``'s own pages."""
        site = self.settings.site
        if site.origins == "path":
            return site.public_url
        return site.public_url.replace("://", f"://{name}.", 1)

    def server_url(self, name: str) -> str:
        """Address of ``name``'s server, with a closing slash."""
        return f"{self.origin_of(name)}/user/{name}/"

    @property
    def logins(self) -> dict[str, str]:
        """Passwords of the demo people by name."""
        entries = json.loads((self.etc / "demo-logins.json").read_text())
        return {entry["name"]: entry["password"] for entry in entries}

    def login(self, name: str) -> str:
        """Password of ``name``."""
        return self.logins[name]

    def person(self, role: str) -> str:
        """Account name of a demo person here: ``founder``, or ``t-founder`` in a copy whose people have a prefix."""
        return next(name for name in self.logins if name == role or name.endswith(f"-{role}"))

    def run(self, *argv: str, check: bool = True, text: str = "") -> subprocess.CompletedProcess[str]:
        """One command with this copy's Slurm and ``text`` as its standard input, with a deadline."""
        environment = {**os.environ, "SLURM_CONF": str(self.slurm_conf)}
        try:
            return subprocess.run(
                argv, env=environment, input=text, capture_output=True, text=True, check=check, timeout=COMMAND_SECONDS
            )
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr)
            raise

    def atrium(self, *arguments: str) -> str:
        """What one of Atrium's own commands prints, run as its service user."""
        environment = {"ATRIUM_CONFIG": str(self.etc / "atrium.toml"), "SLURM_CONF": str(self.slurm_conf)}
        variables = [f"{name}={value}" for name, value in environment.items()]
        command = str(self.hub_python.parent / "atrium")
        return self.run("runuser", "-u", "atrium", "--", "env", *variables, command, *arguments).stdout

    def squeue(self, *options: str) -> list[str]:
        """Lines of ``squeue`` without its heading."""
        return self.run("squeue", "--noheader", *options).stdout.splitlines()

    def jobs_of(self, name: str) -> list[str]:
        """Numbers of the jobs under the OS user ``name`` that are waiting, running or ending."""
        return [line.strip() for line in self.squeue(f"--user={name}", "--format=%A")]

    def supervisorctl(self, *arguments: str) -> str:
        """What ``supervisorctl`` prints; ``status`` exits non-zero when any program is not running, so no check."""
        command = [str(self.hub_python.parent / "supervisorctl"), "-c", str(self.etc / "supervisord.conf")]
        return self.run(*command, *arguments, check=False).stdout

    def processes(self) -> dict[str, int]:
        """Process id of each running supervised program."""
        rows = (line.split() for line in self.supervisorctl("status").splitlines())
        return {row[0]: int(row[3].rstrip(",")) for row in rows if row[1:3] == ["RUNNING", "pid"]}
