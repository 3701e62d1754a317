"""The client against the real app, and against an API that misbehaves."""

import subprocess
import sys

import httpx2
import pytest

from hub import api_token, errors
from hub.client import Api
from hub.home.models import Me
from tests.hub.fakes import URL, Through


def test_me_and_overview_and_health(api, hub):
    with Api(URL, hub.sign_in("founder"), transport=Through(api)) as client:
        assert client.me().name == "founder"
        assert client.overview("founder").announcements == ()
        assert client.health().checks["database"] == "ok"


def test_errors_come_back_as_what_they_were(api, hub):
    stranger = Api(URL, "made-up", transport=Through(api))
    with pytest.raises(errors.NotSignedIn) as unknown:
        stranger.me()
    assert unknown.value.hint == "Sign in again."
    founder = Api(URL, hub.sign_in("founder"), transport=Through(api))
    with pytest.raises(errors.NotAllowed):
        founder.overview("colleague")
    with pytest.raises(errors.NotFound):
        founder.overview("../../health")
    hub.answer = httpx2.Response(502)
    with pytest.raises(errors.HubUnavailable):
        Api(URL, "another", transport=Through(api)).me()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx2.ConnectError("refused, my token is abc"), errors.HubUnavailable),
        (httpx2.ReadTimeout("late"), errors.HubUnavailable),
        (httpx2.Response(200, text="<html>"), errors.HubUnavailable),
        (httpx2.Response(502, text="<html>"), errors.SlurmError),
        (httpx2.Response(418, json=["tea"]), errors.AtriumError),
        (httpx2.Response(302, headers={"Location": "http://elsewhere/"}), errors.AtriumError),
    ],
)
def test_whatever_happens_is_one_of_our_errors_and_names_no_token(answer, kind):
    def respond(_request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(kind) as raised:
        Api(URL, "abc", transport=httpx2.MockTransport(respond)).me()
    assert "abc" not in raised.value.message


def test_health_is_read_even_when_it_is_bad():
    body = {"status": "degraded", "version": "1", "checks": {"database": "no answer"}}
    client = Api(URL, "", transport=httpx2.MockTransport(lambda _request: httpx2.Response(503, json=body)))
    assert client.health().status == "degraded"


def test_from_the_environment_of_a_notebook(monkeypatch, tmp_path):
    monkeypatch.delenv("ATRIUM_API_URL", raising=False)
    monkeypatch.delenv("JUPYTER_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "the server's own")
    with pytest.raises(errors.SettingsError, match="ATRIUM_API_URL"):
        Api.from_environment()
    monkeypatch.setenv("ATRIUM_API_URL", URL)
    with pytest.raises(errors.SettingsError, match="JUPYTER_RUNTIME_DIR"):
        Api.from_environment()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(errors.SettingsError, match="cannot be read"):
        Api.from_environment()
    api_token.write(tmp_path, "abc")
    Api.from_environment().close()


def test_the_token_is_read_at_each_request():
    tokens, headers = iter(["first", "second"]), []

    def respond(request):
        headers.append(request.headers["Authorization"])
        return httpx2.Response(200, json={"name": "a", "display_name": "A", "roles": [], "projects": []})

    with Api(URL, lambda: next(tokens), transport=httpx2.MockTransport(respond)) as client:
        client.me()
        client.me()
    assert headers == ["token first", "token second"]


def test_a_newer_server_may_say_more(api):
    assert Me.model_validate({"name": "a", "display_name": "A", "roles": [], "projects": [], "pets": 2}).name == "a"


def test_a_kernel_loads_nothing_of_the_server():
    server = "{'fastapi', 'sqlalchemy', 'alembic', 'huey', 'jupyterhub', 'pydantic_settings', 'hub.settings', 'hub.db'}"
    program = f"import sys, hub.client; print(sorted({server} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout.strip() == "[]"
