"""A worker that the kernel kills while a project's directory is being made (see test_provisioning.py)."""

import asyncio
import os
import signal

from hub.db.engine import make_engine, make_sessions
from hub.projects.provisioning import resume
from hub.settings import load
from tests.hub.fakes import FakeStorage, backends


class Obliging:
    """A Slurm that does all it is asked."""

    async def ensure_account(self, account, **limits): ...

    async def ensure_members(self, account, users, partitions=()): ...


class Deadly(FakeStorage):
    async def ensure(self, slug, members, *, storage_gb, closed):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = load()
    around = backends(Obliging(), settings)
    object.__setattr__(around, "storage", Deadly())
    with make_sessions(make_engine(settings.api.database_url))() as session:
        asyncio.run(resume(session, around))
