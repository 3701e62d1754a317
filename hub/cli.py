"""``atrium``: every program of the factory, and what an admin does by hand."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from hub import settings as deployment
from hub.announcements.models import Severity
from hub.db.engine import make_engine, make_sessions
from hub.errors import AtriumError
from hub.projects.models import MemberRole, ProjectSpec
from hub.projects.tables import Project
from hub.settings import Settings
from hub.validation import invalid_input

Asked = argparse.Namespace
Command = Callable[[Settings, Asked], bool | None]
"""Does its work; False when it did not succeed and has said why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. What goes wrong is one sentence on standard error."""
    asked = _parser().parse_args(argv)
    os.umask(0o077)  # nothing we write is for other accounts of the machine
    _log_to_standard_error()
    try:
        return 1 if asked.command(asked) is False else 0
    except AtriumError as error:
        sys.stderr.write(f"atrium: {error.message} {error.hint}".rstrip() + "\n")
    except SQLAlchemyError as error:
        sys.stderr.write(f"atrium: The database cannot be used: {error.args[0]}\n")
    return 1


# -- programs that run on ---------------------------------------------------------------------------------------------


def _hub(settings: Settings, _asked: Asked) -> None:
    from hub import environment, tls

    tls.ensure(settings)
    # -P: what lies in the working directory is not for import.
    config = str(environment.shared_file("jupyterhub_config.py"))
    environment.become([sys.executable, "-P", "-m", "spawners.application", "-f", config], environment.settings_too())


def _api(settings: Settings, _asked: Asked) -> None:
    from hub import app

    app.serve(settings)


def _worker(settings: Settings, _asked: Asked) -> None:
    from hub.programs import worker

    worker.run(settings)


def _proxy(settings: Settings, _asked: Asked) -> None:
    from hub.programs import proxy

    proxy.run(settings)


def _dashboards(settings: Settings, _asked: Asked) -> None:
    from hub.programs import dashboards

    dashboards.run(settings)


# -- by hand, or by the installation ----------------------------------------------------------------------------------


def _certificates(settings: Settings, _asked: Asked) -> None:
    from hub import tls

    tls.ensure(settings)


def _routes(settings: Settings, _asked: Asked) -> bool:
    from hub.programs import proxy

    return proxy.restore_routes(settings)


def _migrate(settings: Settings, _asked: Asked) -> None:
    from hub import migrations

    with _database(settings) as engine:
        migrations.upgrade(engine)


def _check(settings: Settings, asked: Asked) -> bool:
    _say(f"settings  ok  {deployment.config_path()}")  # they were checked as they were read
    if asked.settings_only:
        return True
    from hub.programs import check

    return check.run(settings, _say)


def _reference(_asked: Asked) -> None:
    from hub import settings_reference

    sys.stdout.write(settings_reference.markdown())


def _project_create(settings: Settings, asked: Asked) -> None:
    from hub.projects import service

    members = dict.fromkeys(asked.member, MemberRole.MEMBER) | dict.fromkeys(asked.lead, MemberRole.LEAD)
    spec = _project_spec(asked, members)
    with _database(settings) as engine, make_sessions(engine)() as session:
        project = service.record(session, spec, who="admin")
        asyncio.run(_provision(settings, session, project))
        _say(f"project {project.slug}: {project.state}, {len(project.members)} members")


async def _provision(settings: Settings, session: Session, project: Project) -> None:
    from hub.projects import jobs, provisioning

    async with jobs.backends(settings) as backends:
        await provisioning.provision(session, backends, project)


def _project_spec(asked: Asked, members: dict[str, MemberRole]) -> ProjectSpec:
    try:
        return ProjectSpec(
            slug=asked.slug,
            title=asked.title or asked.slug,
            account=asked.account or asked.slug,
            cpu_hours=asked.cpu_hours,
            gpu_hours=asked.gpu_hours,
            storage_gb=asked.storage_gb,
            starts=asked.starts,
            until=asked.until,
            members=members,
        )
    except ValidationError as error:
        raise invalid_input(error, subject="project") from error


def _announce(settings: Settings, asked: Asked) -> None:
    from hub.announcements import service

    with _database(settings) as engine, make_sessions(engine)() as session:
        added = service.add(session, asked.text, Severity(asked.severity), ends=asked.ends)
        _say(f"announcement {added.id}")


# -- the command line -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="atrium", description="The programs of an Atrium deployment.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("hub", _hub, "JupyterHub"),
        ("api", _api, "the API"),
        ("worker", _worker, "the background jobs"),
        ("proxy", _proxy, "the public proxy"),
        ("dashboards", _dashboards, "the dashboards service, in the user environment"),
        ("certificates", _certificates, "make what internal TLS needs, where it is on and nothing is there"),
        ("routes", _routes, "have the Hub send the proxy its routes now"),
        ("migrate", _migrate, "bring the API's database to the newest shape"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(command=_configured(command))
    _add_check(commands.add_parser("check", help="whether settings, secrets, database and Slurm are as they should be"))
    commands.add_parser("settings", help="print every setting as Markdown").set_defaults(command=_reference)
    _add_project(commands.add_parser("project", help="projects"))
    _add_announce(commands.add_parser("announce", help="tell everybody something on the landing page"))
    return parser


def _configured(command: Command) -> Callable[[Asked], bool | None]:
    """A command that begins by reading the settings."""
    return lambda asked: command(deployment.load(), asked)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings-only", action="store_true", help="nothing but atrium.toml and the variables")
    parser.set_defaults(command=_configured(_check))


def _add_project(parser: argparse.ArgumentParser) -> None:
    create = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "create", help="make a project, or make an existing one as said here; safe to run twice"
    )
    create.add_argument("slug")
    create.add_argument("--title", help="the slug, if not given")
    create.add_argument("--account", help="Slurm account; the slug, if not given")
    create.add_argument("--cpu-hours", type=int, required=True, help="core hours granted")
    create.add_argument("--gpu-hours", type=int, default=0, help="card hours granted")
    create.add_argument("--storage-gb", type=int, default=0, help="0: no quota")
    create.add_argument("--starts", type=date.fromisoformat, metavar="YYYY-MM-DD", help="today, if not given")
    create.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD")
    create.add_argument("--lead", nargs="+", default=[], metavar="NAME", action="extend")
    create.add_argument("--member", nargs="+", default=[], metavar="NAME", action="extend")
    create.set_defaults(command=_configured(_project_create))


def _add_announce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text")
    parser.add_argument("--severity", choices=[severity.value for severity in Severity], default=Severity.INFO.value)
    parser.add_argument("--ends", type=_moment, metavar="YYYY-MM-DDTHH:MM", help="UTC unless a zone is given")
    parser.set_defaults(command=_configured(_announce))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _database(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(settings.api.database_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _log_to_standard_error() -> None:
    """The supervisor keeps it. What libraries say about every single request or job is left out."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx2", "huey", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
