"""The spawn page: its fields, options in links, and the validation that every start uses.

``/hub/spawn`` is JupyterHub's own page with two differences: a link fills the form in and never starts anything, and a
choice that cannot be had stands in the form again with its error beside the field.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jupyterhub import handlers
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.pages import SpawnHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado import web

from hub.errors import AtriumError, InvalidInput
from hub.language import translate
from hub.pages.frame import TEMPLATES
from hub.pages.templating import Words
from hub.slurm.cluster import Cluster
from spawners.job import request as options
from spawners.job.request import SpawnRequest
from spawners.job.site import site
from spawners.options import form, validation
from spawners.options.estimate import Estimates
from spawners.options.offer import Offer, default_partition, notebook_partitions, offer_for
from spawners.server_names import CheckedNames

ESTIMATE = "/atrium/estimate"
NEW_PROJECT_SECONDS = 5.0
"""How old an answer that knows no project of a person may be: they may have got one just now."""


async def offer_of(name: str, account: object = "") -> tuple[Offer, Cluster]:
    """What this person may have now, and the cluster it was read from.

    :param account: the requested project; an unknown one may have been created just now.
    """
    here = site()
    cluster = await here.cluster.look()
    known = {entry.account for entry in cluster.associations if entry.user == name}
    if cluster.accounting and (not known or (account and account not in known)):
        cluster = await here.cluster.look(since=time.monotonic() - NEW_PROJECT_SECONDS)
    groups = await asyncio.to_thread(_groups_of, name)
    offer = offer_for(cluster, user=name, groups=groups, settings=here.settings, now=datetime.now(UTC))
    return replace(offer, proposed=notebook_partitions(here.settings)), cluster


def _groups_of(name: str) -> frozenset[str]:
    """OS groups from the directory service, which may be slow."""
    try:
        numbers = os.getgrouplist(name, pwd.getpwnam(name).pw_gid)
    except KeyError:
        return frozenset()
    names = set()
    for number in numbers:
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return frozenset(names)


async def accepted(name: str, chosen: Mapping[str, Any]) -> SpawnRequest:
    """The validated request for ``chosen`` options of this person.

    Form, link, REST API, stored options and the start itself all use it.

    :raises InvalidInput: with the field.
    """
    offer, _ = await offer_of(name, chosen.get("account"))
    return settled(chosen, offer)


async def dask_partition(name: str, request: SpawnRequest) -> str:
    """Partition for Dask workers of this person's server that name none."""
    offer, cluster = await offer_of(name, request.account)
    project = offer.project(request.account)
    preferred = (site().settings.slurm.dask_partition, request.partition)
    return default_partition(project.partitions if project else (), cluster, preferred) or preferred[0]


def settled(chosen: Mapping[str, Any], offer: Offer) -> SpawnRequest:
    """The same for a given offer."""
    request = validation.complete(chosen, offer, site().settings)
    validation.check(request, offer)
    return request


# -- the page ---------------------------------------------------------------------------------------------------------


async def fields(spawner: Any, sent: Mapping[str, Any] | None = None, *, own: bool = True) -> str:
    """The fields of the form as HTML: ``sent`` with its error, or else what this person chose last.

    :param own: whether the visitor owns the server; Slurm is not called on behalf of others.
    """
    name = spawner.user.name
    offer, cluster = await offer_of(name)
    page = form.build(offer, cluster, last=last_choice(spawner), sent=sent, settings=site().settings)
    return (
        _templates()
        .get_template("frame/choose.html")
        .render(
            page=page,
            server=spawner.name,
            estimate_url=url_path_join(spawner.hub.base_url, ESTIMATE) if own else "",
            onboarding_url=site().settings.service_url("dashboards") + "onboarding",
        )
    )


@lru_cache(maxsize=1)
def _templates() -> Environment:
    """JupyterHub renders pages in an environment of its own; this part must also come without a request."""
    return Environment(
        loader=FileSystemLoader(str(TEMPLATES)), undefined=StrictUndefined, autoescape=True, extensions=[Words]
    )


def last_choice(spawner: Any) -> dict[str, Any]:
    """The last options of this server, or else of the person's latest server."""
    if spawner.orm_spawner.user_options:
        return dict(spawner.orm_spawner.user_options)
    others = [entry for entry in spawner.user.orm_user._orm_spawners if entry.user_options and entry.started]
    return dict(max(others, key=lambda entry: entry.started).user_options) if others else {}


class SpawnPage(CheckedNames, SpawnHandler):
    """``GET`` shows the form, ``POST`` starts; no link starts a server."""

    link: Mapping[str, Any] | None = None

    def _get_user_options(self, query_options: dict[str, list[str]]) -> dict[str, Any]:
        """What a link brings is kept for the form. JupyterHub would start at once with what is returned here."""
        ours = {key.removeprefix("opt-"): value for key, value in query_options.items() if _is_choice(key)}
        self.link = options.from_link(ours) or None
        return {}

    async def _render_form(
        self, for_user: Any, spawner_options_form: str, message: str | None = "", html_message: str | None = ""
    ) -> str:
        name = self.path_args[1] if len(self.path_args) > 1 and self.path_args[1] else ""
        spawner = for_user.spawners[name]
        sent = self.link
        if self.request.method == "POST":
            body = self.request.body_arguments
            sent = options.from_form({key: [value.decode(errors="replace") for value in body[key]] for key in body})
        elif sent is not None:
            message = await self._problem(for_user.name, sent) or message
        chosen = await fields(spawner, sent, own=for_user.name == self.current_user.name)
        page: str = await super()._render_form(for_user, chosen, message, html_message)
        return page

    async def _problem(self, name: str, sent: Mapping[str, Any]) -> str:
        try:
            await accepted(name, sent)
        except InvalidInput as error:
            return f"{error.message} {error.hint}".strip()
        return ""


def _is_choice(key: str) -> bool:
    """Whether a query parameter is an option: any ``opt-…``, or a known name."""
    return key.startswith("opt-") or key in SpawnRequest.model_fields


# -- before the start -------------------------------------------------------------------------------------------------


async def _look_again() -> Cluster:
    return await site().cluster.look(since=time.monotonic())


class EstimateHandler(BaseHandler):
    """``POST /hub/atrium/estimate`` with the fields of the form: cost, expected start, and a faster alternative."""

    estimates = Estimates()

    @web.authenticated
    async def post(self) -> None:
        await self._answer(self.current_user.name)

    @needs_scope("servers")  # type: ignore[untyped-decorator]
    async def _answer(self, user_name: str) -> None:
        user = self.current_user
        sent = options.from_form({key: [self.get_body_argument(key)] for key in self.request.body_arguments})
        server = self.get_body_argument("server", "")
        spawner = user.spawners.get(server, user.spawner)
        offer, cluster = await offer_of(user_name)
        try:
            request = settled(sent, offer)
            if (silence := site().queue.error) is not None:  # sbatch would not be answered either
                raise silence
            answer = await self.estimates.of(user_name, request, offer, cluster, trial=spawner.trial, look=_look_again)
        except InvalidInput as error:
            answer = {"field": error.field, "problem": f"{error.message} {error.hint}".strip()}
        except AtriumError as error:
            self.log.warning("No estimate for %s: %s", user_name, error.message)
            answer = {"unknown": translate("The expected start is not known at the moment.")}
        self.set_header("Content-Type", "application/json")
        self.finish(answer)


def install() -> None:
    """Replace JupyterHub's spawn page. Safe to run twice."""
    pages = handlers.default_handlers
    pages[:] = [(ESTIMATE, EstimateHandler)] + [
        (entry[0], SpawnPage, *entry[2:]) if entry[1] is SpawnHandler else entry
        for entry in pages
        if entry[0] != ESTIMATE
    ]
