"""The token with which a server's notebooks use Atrium's API on behalf of their person: issued and revoked.

JupyterHub revokes the server's own token itself; this one has fewer scopes and ends with the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyterhub import orm

SPARE_SECONDS = 7 * 24 * 3600
"""How long a token outlives the planned end of its job, which an administrator may move."""


def issue(user: Any, server: str, scopes: Iterable[str], seconds: float) -> tuple[int, str]:
    """A new token of the Hub's ``user``: its row's number and the token.

    :param seconds: until the planned end of the job; the token expires :data:`SPARE_SECONDS` later.
    """
    token = user.new_api_token(
        note=f"Notebooks of the server at {user.url}{server}",
        scopes=list(scopes),
        expires_in=int(seconds + SPARE_SECONDS),
    )
    return orm.APIToken.find(user.db, token).id, token


def revoke(user: Any, number: int) -> None:
    """Delete the token in row ``number`` if it is still there and the user's."""
    row = user.db.get(orm.APIToken, number)
    if row is not None and row.user_id == user.id:
        user.db.delete(row)
        user.db.commit()
