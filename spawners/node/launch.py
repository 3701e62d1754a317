"""``python -m spawners.node.launch``: starts a person's server on its node."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from hub import api_token
from hub.slurm import steps
from hub.slurm.steps import StartStep
from spawners.node import imports, listening, tls


def main() -> NoReturn:
    """Bind the port first, so that it cannot be taken; then import Jupyter, which is slow."""
    # A shell starts background processes with these ignored, and kernels and terminals would inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until the watch runs, which reads the time from Slurm anyway
    try:
        listener = listening.open_socket()
        tls.unpack(os.environ)
    except listening.NoPort as error:
        _fail(str(error), listening.EXIT_PORT_TAKEN)
    except tls.Missing as error:
        _fail(str(error), tls.EXIT_MISSING)
    os.environ["JUPYTERHUB_SERVICE_URL"] = _service_url(listener)
    os.environ["JUPYTERHUB_DISABLE_USER_CONFIG"] = "1"  # the server loads no settings and no templates of the home
    token = os.environ.pop(api_token.VARIABLE, "")
    api_token.write(Path(os.environ["JUPYTER_RUNTIME_DIR"]), token)

    imports.load()
    print(steps.line(os.environ.get("SLURM_JOB_ID"), StartStep.SERVER), flush=True)  # noqa: T201  the job's log
    from spawners.node.server import serve

    serve(listener)


def _service_url(listener: socket.socket) -> str:
    """Address of the server in the form that JupyterHub's part of it reads."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{os.environ.get('JUPYTERHUB_SERVICE_PREFIX', '/')}"


def _fail(why: str, code: int) -> NoReturn:
    print(why, file=sys.stderr, flush=True)  # noqa: T201  the job's log
    sys.exit(code)


if __name__ == "__main__":
    main()
