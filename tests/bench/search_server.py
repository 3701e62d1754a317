"""The real API on a real socket, only the Hub is a stand-in: ``python -m tests.bench.search_server STATE PORT``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import httpx2
import uvicorn

from hub import migrations
from hub.app import create_app
from hub.db.engine import make_engine
from hub.settings import Api, Paths, SecretName, Settings

OWNER = {"kind": "user", "name": "founder", "groups": [], "scopes": ["access:services!service=atrium"]}


def main() -> None:
    state, port = Path(sys.argv[1]), int(sys.argv[2])
    url = f"sqlite:///{state}/atrium.sqlite"
    (state / "secrets").mkdir(exist_ok=True)
    for name in get_args(SecretName):
        (state / "secrets" / name).write_text("x")
    engine = make_engine(url)
    migrations.upgrade(engine)
    engine.dispose()
    settings = Settings(paths=Paths(etc=state, state=state), api=Api(database_url=url))
    hub = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=OWNER))
    uvicorn.run(create_app(settings, hub=hub), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
