"""The environment of the dashboards service."""

import json

from hub.programs.dashboards import dashboards_environment
from hub.settings import Paths, Settings, Site

SETTINGS = Settings(paths=Paths())


def test_the_environment_has_the_expected_variables_and_no_others(monkeypatch):
    monkeypatch.setenv("ATRIUM_PASSWORD", "leak")
    variables = dashboards_environment(SETTINGS, "the-token")

    assert "leak" not in variables.values()
    assert [name for name, value in variables.items() if "the-token" in value] == ["JUPYTERHUB_API_TOKEN"]
    assert {name for name in variables if not name.startswith(("JUPYTERHUB_", "ATRIUM_"))} == {
        "PATH",
        "LANG",
        "HOME",
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
    }
    assert variables["ATRIUM_API_URL"] == "http://127.0.0.1:18003/services/atrium/api"
    assert "ATRIUM_API_CA" not in variables
    assert variables["HOME"] == "/var/lib/atrium/web"


def test_its_path_starts_with_the_current_version(tmp_path):
    (tmp_path / "version").mkdir()
    (tmp_path / "user").symlink_to(tmp_path / "version")
    variables = dashboards_environment(Settings(paths=Paths(user_env=tmp_path / "user")), "t")
    assert variables["PATH"].startswith(f"{tmp_path}/version/bin:")


def test_addresses_with_a_domain_for_each_person():
    variables = dashboards_environment(SETTINGS, "t")
    origin = "http://dashboards--service.localhost:8000"

    assert variables["JUPYTERHUB_HOST"] == "http://localhost:8000"
    assert variables["JUPYTERHUB_OAUTH_CALLBACK_URL"] == f"{origin}/services/dashboards/oauth_callback"
    assert variables["JUPYTERHUB_PUBLIC_URL"] == f"{origin}/services/dashboards/"
    assert variables["ATRIUM_DASHBOARDS_SOCKET"] == "/run/atrium/dashboards/dashboards.sock"
    assert json.loads(variables["JUPYTERHUB_OAUTH_ACCESS_SCOPES"]) == [
        "access:services!service=dashboards",
        "access:services",
    ]


def test_addresses_on_one_origin():
    site = Site(public_url="https://hub.example.org", origins="path")
    variables = dashboards_environment(Settings(site=site), "t")

    assert variables["JUPYTERHUB_HOST"] == ""
    assert variables["JUPYTERHUB_PUBLIC_URL"] == "https://hub.example.org/services/dashboards/"
    assert variables["JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED"] == "0"


def test_cookies_bound_to_their_host_need_https_and_domains():
    variables = dashboards_environment(Settings(site=Site(public_url="https://hub.example.org")), "t")
    assert variables["JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED"] == "1"
