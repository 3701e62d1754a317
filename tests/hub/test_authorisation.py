"""Who may do what: role × route × own or another's, as one table."""

import pytest
from fastapi.routing import iter_route_contexts

from hub.app import PREFIX, PUBLIC
from hub.db.base import now
from hub.projects import service
from hub.projects.provisioning import provision
from tests.hub.dataspace.test_routes import TABLE as DATASPACE_TABLE
from tests.hub.fakes import FORM, ORGANISATION, backends, settle, submitted
from tests.hub.projects.test_service import spec

PEOPLE = {
    "owner": ("founder", "user", []),
    "member": ("colleague", "user", []),
    "stranger": ("trainer", "user", ["trainers", "analysts"]),
    "reviewer": ("reviewer", "user", ["reviewers"]),
    "admin": ("admin", "user", ["admins"]),
    "service": ("dashboards", "service", []),
}
"""``owner`` applied for A-00001 and leads the project demo, ``member`` belongs to the project alone."""

ALL = set(PEOPLE)
HUMANS = ALL - {"service"}
PROJECT = {"owner", "member", "admin"}
LEADS = {"owner", "admin"}
NEED = {"goal": "try", "kind": "company", "country": "AT", "months": 1}
WORKLOAD = {"parameters": 1, "tokens": 1, "gpus": 1, "system": "atrium-gpu"}
DECISION = {"version": 1, "approve": True, "reason": "x", "cpu_hours": 1, "gpu_hours": 1}
UPLOAD = {"project": "demo", "name": "a.csv", "bytes": 1, "sha256": "0" * 64}

TABLE = [
    # method, path, body, who may
    ("GET", "/me", None, HUMANS),
    ("PUT", "/me/steps/scaling", None, HUMANS),
    ("GET", "/people/founder/overview", None, {"owner"}),
    ("GET", "/people/founder/mail", None, {"owner"}),
    ("GET", "/people/founder/attempts", None, {"owner", "admin"}),
    ("GET", "/openapi.json", None, ALL),
    ("GET", "/programme", None, ALL),
    ("GET", "/machine", None, ALL),
    ("GET", "/calls", None, ALL),
    ("GET", "/helpers", None, ALL),
    ("POST", "/advice", NEED, ALL),
    ("POST", "/calculation", WORKLOAD, ALL),
    ("POST", "/sme", ORGANISATION["figures"], ALL),
    ("PUT", "/calls/playground-2026", {"state": "open"}, {"admin"}),
    ("GET", "/mail", None, {"admin"}),
    ("GET", "/audit", None, {"admin"}),
    ("GET", "/profile", None, HUMANS),
    ("PUT", "/profile", {}, HUMANS),
    ("POST", "/organisation", ORGANISATION, HUMANS),
    ("PUT", "/organisation", {"revision": 1, "form": ORGANISATION}, {"owner"}),
    ("POST", "/organisation/code", None, {"owner"}),
    ("POST", "/organisation/leave", None, {"owner"}),
    ("POST", "/organisation/join", {"code": "made-up"}, set()),
    ("GET", "/applications", None, HUMANS),
    ("POST", "/applications", FORM, HUMANS),
    ("GET", "/applications/1", None, {"owner"}),
    ("PUT", "/applications/2", {"revision": 1, "form": FORM}, {"owner"}),
    ("DELETE", "/applications/2", None, {"owner"}),
    ("POST", "/applications/2/submit", {"revision": 1}, {"owner"}),
    ("POST", "/applications/1/withdraw", None, {"owner"}),
    ("POST", "/applications/1/messages", {"text": "x"}, {"owner"}),
    ("GET", "/applications/1/document", None, {"owner"}),
    ("GET", "/applications/1/versions/1", None, {"owner"}),
    ("GET", "/applications/1/versions/1/document", None, {"owner"}),
    ("GET", "/reviews", None, {"reviewer"}),
    ("GET", "/reviews/1", None, set()),  # not before a declaration
    ("GET", "/reviews/1/document", None, set()),
    ("PUT", "/reviews/1", {"version": 1, "scores": {}, "cpu_hours": 1, "gpu_hours": 1, "approve": True}, set()),
    ("POST", "/reviews/1/changes", {"version": 1, "text": "x"}, set()),
    ("POST", "/reviews/1/messages", {"text": "x"}, set()),
    ("POST", "/reviews/1/decision", DECISION, set()),
    ("POST", "/reviews/1/conflict", {"conflict": False}, {"reviewer"}),
    ("GET", "/projects", None, HUMANS),
    ("GET", "/projects/all", None, {"admin"}),
    ("GET", "/projects/demo", None, PROJECT),
    ("GET", "/projects/demo/usage", None, PROJECT),
    ("GET", "/projects/demo/report", None, PROJECT),
    ("PUT", "/projects/demo/report", {"revision": 0, "form": {}}, LEADS),
    ("PUT", "/projects/demo/members/colleague", {"role": "member"}, LEADS),
    ("DELETE", "/projects/demo/members/learner01", None, LEADS),
    ("DELETE", "/projects/demo/members/colleague", None, LEADS | {"member"}),
    ("GET", "/projects/demo/invitations", None, LEADS),
    ("POST", "/projects/demo/invitations", {"address": "eve@example.eu"}, LEADS),
    ("DELETE", "/projects/demo/invitations/1", None, LEADS),
    ("POST", "/invitations/offer", {"token": "x" * 43}, set()),
    ("POST", "/invitations/accept", {"token": "x" * 43}, set()),
    ("GET", "/projects/demo/extensions", None, PROJECT),
    ("POST", "/projects/demo/extensions", {"months": 1, "reason": "x"}, LEADS),
    ("GET", "/extensions", None, {"reviewer"}),
    ("GET", "/store/uploads", None, HUMANS),
    ("POST", "/store/uploads", UPLOAD, {"owner", "member"}),
    ("GET", "/store/uploads/1", None, set()),
    ("PUT", f"/store/uploads/1/content?offset=0&sha256={'0' * 64}", None, set()),
    ("POST", "/store/uploads/1/finish", None, set()),
    ("POST", "/extensions/1/decision", {"grant": False, "answer": "x"}, {"reviewer"}),
]


@pytest.fixture
async def scene(person, session, slurm, settings):
    """A-00001 is on the desk, A-00002 a draft; demo has two members, a learner, an invitation and a request."""
    founder = person("founder")
    settle(founder)
    submitted(founder)
    founder.applications.start(founder.applications.get(1).form)
    members = {"founder": "lead", "colleague": "member", "learner01": "member"}
    project = service.record(session, spec(members=members), who="admin", today=now().date())
    await provision(session, backends(slurm, settings), project)
    founder.projects.invite("demo", "eve@example.eu")
    person("admin", groups=["admins"])._connection.send(
        "POST", "/projects/demo/extensions", {"months": 1, "reason": "x"}, dict
    )


def send(api, hub, who, method, path, body):
    name, kind, groups = PEOPLE[who]
    headers = {"Authorization": f"token {hub.sign_in(name, kind=kind, groups=groups)}"}
    return api.request(method, path, json=body, headers=headers)


@pytest.mark.parametrize(
    ("who", "method", "path", "body"),
    [(who, *row[:3]) for row in TABLE for who in sorted(row[3])],
    ids=[f"{who} {row[0]} {row[1]}" for row in TABLE for who in sorted(row[3])],
)
async def test_allowed_requests_succeed(api, hub, scene, who, method, path, body):
    answer = send(api, hub, who, method, path, body)
    # 409: they may, and there is one already.
    assert answer.is_success or (path.endswith("/extensions") and answer.status_code == 409), answer.text


async def test_other_requests_are_refused(api, hub, scene):
    """All in one scene: what is refused changes nothing."""
    for method, path, body, allowed in TABLE:
        for who in sorted(ALL - allowed):
            answer = send(api, hub, who, method, path, body)
            assert answer.status_code in (403, 404), (who, method, path, answer.text)


def test_the_table_is_complete(api):
    """A new route is in the table, or in that of data spaces, or this says so."""
    covered = {(row[0], row[1].partition("?")[0]) for row in (*TABLE, *DATASPACE_TABLE)}
    for route in iter_route_contexts(api.app.routes):
        if route.path in PUBLIC:
            continue
        for method in route.methods - {"HEAD", "OPTIONS"}:
            pattern = route.path_regex
            assert any(verb == method and pattern.match(PREFIX + path) for verb, path in covered), (method, route.path)
