"""Names that a second notebook may not have, because they begin addresses of the first.

The first notebook is at ``/user/NAME/`` and a second one at ``/user/NAME/SERVER/``. With a word of this list as its
name, the second would get the first one's requests below that word. Servers that have such a name already keep it.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httputil import url_concat

from hub.language import translate

RESERVED = frozenset(
    {
        "api",
        "atrium",
        "dask",
        "doc",
        "files",
        "kernelspecs",
        "lab",
        "logout",
        "metrics",
        "nbconvert",
        "proxy",
        "server-proxy",
        "static",
        "terminals",
        "view",
        "voila",
    }
)
"""First words of a server's addresses, as far as a server may be called so: ``tests/spawners/node/test_routes.py``
compares them with a running server."""


def suggestion(name: str, existing: Iterable[str]) -> str:
    """A name like ``name`` that is neither reserved nor among ``existing``."""
    others = {*RESERVED, *existing}
    candidates = [f"{name}-notebook", *(f"{name}-notebook-{number}" for number in range(2, len(others) + 3))]
    return next(candidate for candidate in candidates if candidate not in others)


def with_reserved_names(user: Any) -> dict[str, str]:
    """Servers of a JupyterHub user that have a reserved name, each with a better name."""
    names = set(user.orm_spawners)
    return {name: suggestion(name, names) for name in sorted(names & RESERVED)}


class ReservedName(web.HTTPError):
    """The name of a new server is reserved. Pages show it with a link to the form under another name.

    :param form_url: address of that form.
    """

    def __init__(self, name: str, other: str, form_url: str) -> None:
        sentence = translate(
            "A notebook cannot be called “{name}”: that word is part of the address of your first notebook, which "
            "would not work any more while this one runs."
        )
        advice = translate("Choose another name, for example “{name}”.")
        reason = sentence.format(name=name)
        super().__init__(422, "%s", f"{reason} {advice.format(name=other)}")
        link = f'<a href="{escape(form_url)}">{escape(other)}</a>'
        self.jupyterhub_html_message = f"{escape(reason)} {escape(advice).format(name=link)}"


class CheckedNames(BaseHandler):
    """A handler that creates no server with a reserved name."""

    async def _check_named_server_request(
        self, user: Any, server_name: str, display_name: str, check_limit: bool = True
    ) -> None:
        """JupyterHub's check of a server that is created or started, and ours.

        :raises ReservedName: the name of a new server is reserved.
        :raises tornado.web.HTTPError: JupyterHub's refusals.
        """
        if server_name in RESERVED and server_name not in user.orm_spawners:
            other = suggestion(server_name, user.orm_spawners)
            form_url = url_path_join(self.hub.base_url, "spawn", user.escaped_name, other)
            raise ReservedName(server_name, other, url_concat(form_url, {"display_name": other}))
        await super()._check_named_server_request(user, server_name, display_name, check_limit)
