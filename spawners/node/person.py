"""The environment of everything that a person runs in their server: kernels, terminals, the manager of clusters.

It begins as a login does and gets the variables of the person's start-up files. Of the server's variables it gets only
those of a closed list: neither the server's token nor ``SLURM_*``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from spawners.node import profile

log = logging.getLogger(__name__)

LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin"
NOTICE = (
    "Your shell start-up files did not finish, so notebooks and terminals start without them. "
    "Correct them, then continue in a new job."
)
"""At most 140 characters, because JupyterLab cuts longer ones."""

_OURS = re.compile(
    r"(JUPYTERHUB_(USER|SERVICE_PREFIX|SERVER_NAME)|JUPYTER_RUNTIME_DIR|SLURM_CONF"
    r"|ATRIUM_(API_(URL|CA)|HUB_URL|DASHBOARDS_URL|SITE_NAME|SERVER_NAME|ENVIRONMENT|COMMENT|JOB_(ID|ACCOUNT|NODE))"
    r"|DASK_[A-Z0-9_]+"  # where clusters find the project's partition and the server's keys
    r"|CUDA_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ROCR_VISIBLE_DEVICES|ZE_AFFINITY_MASK|TMPDIR)\Z"
)
_FROM_THE_SERVER = ("LANG", "TZ")


class PersonEnvironment:
    """The variables for the programs of ``account``, whose server has the variables ``server``.

    The start-up files run once, in the background.
    """

    def __init__(
        self, account: pwd.struct_passwd, server: Mapping[str, str], *, seconds: float = profile.DEADLINE_SECONDS
    ) -> None:
        self._account = account
        self._server = server
        self._seconds = seconds
        self._profile: asyncio.Task[dict[str, str]] | None = None
        self.notice = ""
        """For the person, if the start-up files gave no result."""

    def begin(self) -> asyncio.Task[dict[str, str]]:
        """Run the start-up files, unless that has begun."""
        if self._profile is None:
            self._profile = asyncio.get_running_loop().create_task(self._read())
        return self._profile

    async def _read(self) -> dict[str, str]:
        try:
            return await profile.read(self._account, self.login(), seconds=self._seconds)
        except profile.NoResult as error:
            log.warning("The person's start-up files gave no variables: %s", error)
            self.notice = NOTICE
            return self._login()

    async def variables(self) -> dict[str, str]:
        """Variables of a kernel; waits for the start-up files, at most their deadline."""
        login = await asyncio.shield(self.begin())  # a request that is given up does not stop it for others
        return {**login, **self._ours(), "PATH": self._path(login)}

    def login(self) -> dict[str, str]:
        """Variables with which a login shell begins, which reads the start-up files itself."""
        login = self._login()
        return {**login, **self._ours(), "PATH": self._path(login)}

    @property
    def shell(self) -> list[str]:
        """Command of a terminal: a login shell, or one without start-up files if these gave no result."""
        if not self.notice:
            return [profile.shell_of(self._account), "-l"]
        bare = f"{profile.BASH} --noprofile --norc"
        return [*bare.split(), "-c", f'printf "%s\\n\\n" "$0"; exec {bare}', self.notice]

    def _login(self) -> dict[str, str]:
        account = self._account
        return {
            "HOME": self._server.get("HOME", account.pw_dir),
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
            "SHELL": profile.shell_of(account),
            "PATH": LOGIN_PATH,
            "TERM": "dumb",
            **{name: self._server[name] for name in _FROM_THE_SERVER if name in self._server},
        }

    def _ours(self) -> dict[str, str]:
        return {name: value for name, value in self._server.items() if _OURS.match(name)}

    def _path(self, variables: Mapping[str, str]) -> str:
        """The path with this environment's programs first."""
        own = str(Path(sys.executable).parent)
        others = [entry for entry in variables.get("PATH", LOGIN_PATH).split(":") if entry != own]
        return ":".join((own, *others))


def added(variables: Mapping[str, str], server: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What Jupyter has added for one kernel or terminal to a copy of the server's variables."""
    return {name: value for name, value in variables.items() if name not in server}


@cache
def environment() -> PersonEnvironment:
    """The environment of the person whose server this process is."""
    return PersonEnvironment(pwd.getpwuid(os.getuid()), os.environ)
