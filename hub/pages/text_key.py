"""The key with which a browser encrypts text that somebody typed on a dashboard and that the API does not have yet.

It belongs to a person and ends with their sign-out: what is left in a browser then is unreadable, for them too. The end
of a session by itself changes nothing.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256

from jupyterhub import orm
from jupyterhub.apihandlers import APIHandler
from tornado import web


def text_key(person: orm.User) -> str:
    """256 bits in Base64, derived from what signing out replaces (:func:`hub.pages.sign_out.end_sessions`)."""
    return b64encode(hmac.digest(str(person.cookie_id).encode(), b"text typed on dashboards", sha256)).decode()


class TextKeyHandler(APIHandler):
    """The key of the person whose token is in the request; 403 for services and without a person."""

    def get(self) -> None:
        person = getattr(self.current_user, "orm_user", None)
        if not isinstance(person, orm.User):
            raise web.HTTPError(403)
        self.set_header("Cache-Control", "no-store")
        self.write({"person": person.name, "key": text_key(person)})
