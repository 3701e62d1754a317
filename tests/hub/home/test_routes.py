"""``/me`` and the overview, through the app."""

import pytest

from hub.announcements.service import add
from hub.projects.models import ProjectSpec
from tests.hub.fakes import provision


@pytest.fixture
async def demo(session, slurm):
    await provision(
        session,
        slurm,
        ProjectSpec(slug="demo", title="Demo", account="demo", cpu_hours=100, members={"founder": "lead"}),
    )
    add(session, "Welcome")


def get(api, path, token):
    return api.get(path, headers={"Authorization": f"token {token}"})


async def test_me_returns_name_roles_and_projects(api, hub, demo):
    me = get(api, "/me", hub.sign_in("founder", groups=["analysts"])).json()

    assert me["name"] == "founder"
    assert me["display_name"]
    assert me["roles"] == ["analyst"]
    [project] = me["projects"]
    assert project == {
        "slug": "demo",
        "title": "Demo",
        "role": "lead",
        "cpu": {"granted": 100.0, "used": 0.0, "left": 100.0},
        "gpu": {"granted": 0.0, "used": 0.0, "left": 0.0},
        "until": None,
        "as_of": None,
        "phase": "open",
        "runs_out": None,
        "outlook": "unused",
    }


async def test_a_person_without_a_project_gets_an_empty_list(api, hub, demo):
    assert get(api, "/me", hub.sign_in("learner01")).json()["projects"] == []


def test_a_service_is_nobody(api, hub):
    assert get(api, "/me", hub.sign_in("pages", kind="service")).status_code == 403


async def test_an_overview_is_for_its_person_and_for_the_hubs_pages(api, hub, demo):
    founder = hub.sign_in("founder", groups=["trainers"])
    pages = hub.sign_in("pages", kind="service")
    own, shown = (get(api, "/people/founder/overview", token) for token in (founder, pages))

    assert own.status_code == shown.status_code == 200
    assert own.json() == shown.json()
    assert own.json()["me"]["roles"] == ["trainer"]
    assert [announcement["text"] for announcement in own.json()["announcements"]] == ["Welcome"]


@pytest.mark.parametrize(
    ("name", "kind", "groups"),
    [("colleague", "user", []), ("admin", "user", ["admins"]), ("pages", "user", []), ("dashboards", "service", [])],
)
async def test_an_overview_is_for_nobody_else(api, hub, demo, name, kind, groups):
    hub.sign_in("founder")
    for about in ("founder", "nobody"):
        answer = get(api, f"/people/{about}/overview", hub.sign_in(name, kind=kind, groups=groups))
        assert answer.status_code == 403


def test_the_hubs_pages_ask_about_somebody_unknown(api, hub):
    assert get(api, "/people/nobody/overview", hub.sign_in("pages", kind="service")).status_code == 404
