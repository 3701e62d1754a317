"""The token of a server's notebooks in JupyterHub's own tables."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from jupyterhub import orm, roles
from jupyterhub.utils import utcnow

from hub.config import ON_BEHALF
from spawners import notebook_token


@pytest.fixture
def db():
    session = orm.new_session_factory(url="sqlite:///:memory:")()
    roles.create_role(session, {"name": "user", "scopes": ["self", "access:services!service=atrium"]})
    session.add(orm.OAuthClient(identifier="jupyterhub", allowed_scopes=["inherit"]))
    session.commit()
    yield session
    session.close()


def person(db, name: str):
    row = orm.User(name=name)
    db.add(row)
    roles.assign_default_roles(db, row)
    db.commit()
    return SimpleNamespace(id=row.id, db=db, url=f"/user/{name}/", new_api_token=row.new_api_token)


def test_its_scopes_are_those_of_the_settings_and_it_expires_after_the_job(db):
    number, token = notebook_token.issue(person(db, "founder"), "", ON_BEHALF, 3600)

    row = orm.APIToken.find(db, token)
    assert (row.id, row.user.name, set(row.scopes)) == (number, "founder", set(ON_BEHALF))
    assert row.expires_at - utcnow(with_tz=False) > timedelta(seconds=3600)


def test_it_is_revoked_once_and_only_for_its_own_person(db):
    founder, stranger = person(db, "founder"), person(db, "stranger")
    number, token = notebook_token.issue(founder, "", ON_BEHALF, 3600)

    notebook_token.revoke(stranger, number)
    assert orm.APIToken.find(db, token) is not None
    notebook_token.revoke(founder, number)
    notebook_token.revoke(founder, number)
    assert orm.APIToken.find(db, token) is None
