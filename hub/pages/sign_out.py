"""Signing out of the Hub ends every browser session of the person; open pages ask here whether theirs goes on.

The servers behind the Hub notice by ``hub.browser_sessions``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

from jupyterhub import log, orm
from jupyterhub.apihandlers.users import SelfAPIHandler
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LogoutHandler as StockLogoutHandler
from jupyterhub.utils import url_path_join
from tornado import web


def end_sessions(db: Any, person: orm.User) -> None:
    """Make the Hub's cookies, the sign-ins in progress and the sessions on servers and services invalid.

    Tokens that the person made and tokens of servers belong to no browser session and stay.

    :param db: the session of JupyterHub's database.
    """
    person.cookie_id = orm.new_token()
    tokens = db.query(orm.APIToken).filter(orm.APIToken.user_id == person.id, orm.APIToken.session_id.isnot(None))
    codes = db.query(orm.OAuthCode).filter(orm.OAuthCode.user_id == person.id)
    for row in (*tokens, *codes):
        db.delete(row)
    db.commit()


class LogoutHandler(StockLogoutHandler):
    """``GET`` says what signing out ends and changes nothing; ``POST`` signs out."""

    def check_xsrf_cookie(self) -> None:
        """Check the token of a person's request; without a person there is nothing that it could change."""
        if getattr(self, "_jupyterhub_user", None) is not None:
            super().check_xsrf_cookie()

    async def get(self) -> None:
        if self.current_user is None:
            await self.render_logout_page()
        else:
            self.finish(await self.render_template("sign-out.html"))

    async def post(self) -> None:
        if self.current_user is not None:
            end_sessions(self.db, self.current_user.orm_user)
        await cast(Awaitable[None], super().get())  # clears this browser's cookies

    async def render_logout_page(self) -> None:
        """Stock leads to the sign-in page, which does not say that signing out has worked."""
        self.finish(await self.render_template("logout.html"))


class SessionHandler(BaseHandler):
    """The person of this browser's session as JSON, for pages that are open; 403 when it has ended."""

    def get(self) -> None:
        if self.current_user is None:
            self.set_status(403)
            self.finish({"message": "You have signed out."})
        else:
            self.finish({"person": self.current_user.name})


class SignInHandler(BaseHandler):
    """Leads to the start page, by way of the sign-in."""

    @web.authenticated
    def get(self) -> None:
        self.redirect(url_path_join(self.hub.base_url, "home"))


def log_request(handler: web.RequestHandler) -> None:
    """JupyterHub's log and metrics of requests, without what open pages and servers ask about sessions all the time.

    For ``tornado_settings["log_function"]``.
    """
    status = handler.get_status()
    if (isinstance(handler, SessionHandler) and status < 500) or (isinstance(handler, SelfAPIHandler) and status < 400):
        return
    log.log_request(handler)
