"""JupyterHub's configuration, as values."""

from urllib.parse import quote

import pytest
from jupyterhub.scopes import expand_scopes
from traitlets.config import Config

from hub import config
from hub.errors import SettingsError
from hub.settings import Hub, Login, Paths, Settings, Site


@pytest.fixture
def settings(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("cookie", "proxy", "atrium", "dashboards", "pages", "worker"):
        (secrets / name).write_text(f"{name}-secret\n")
    return Settings(paths=Paths(etc=tmp_path, state=tmp_path), login=Login(admins=frozenset({"admin"})))


def wired(settings, **changes) -> Config:
    c = Config()
    config.apply(c, settings.model_copy(update=changes))
    return c


def test_per_user_domains_are_on(settings):
    c = wired(settings)
    assert c.JupyterHub.subdomain_host == "http://localhost:8000"
    dashboards = c.JupyterHub.services[1]
    assert dashboards["oauth_redirect_uri"].startswith("http://dashboards--service.localhost:8000/services/dashboards/")


def test_the_proxy_gets_no_route_to_a_service(settings):
    """nginx serves them: a service with an address would also be reached past it."""
    assert [service["name"] for service in wired(settings).JupyterHub.services if "url" in service] == []


def test_by_tls_the_proxy_reaches_the_hub_through_nginx_and_servers_reach_it_directly(settings):
    c = wired(settings, hub=Hub(internal_ssl=True, host="192.0.2.1"))
    socket = quote(str(settings.paths.hub_socket), safe="")
    assert c.JupyterHub.hub_connect_url == f"http+unix://{socket}/hub/"
    assert c.Spawner.hub_connect_url == "https://192.0.2.1:18002"
    assert c.JupyterHub.internal_ssl

    c = wired(settings)
    assert "hub_connect_url" not in c.JupyterHub
    assert "hub_connect_url" not in c.Spawner


def test_cookies_tokens_and_names_are_hardened(settings):
    c = wired(settings)
    assert c.JupyterHub.cookie_max_age_days <= 1
    assert 0 < c.JupyterHub.token_expires_in_max_seconds <= 7 * 24 * 3600
    assert c.JupyterHub.oauth_require_pkce
    assert c.Authenticator.auth_refresh_strict
    assert c.Authenticator.refresh_pre_spawn
    assert c.Authenticator.username_pattern.endswith(r"\Z")
    assert not c.ConfigurableHTTPProxy.should_start


def test_https_makes_cookies_secure(settings):
    c = wired(settings, site=Site(public_url="https://factory.example"))
    assert c.JupyterHub.tornado_settings["cookie_options"]["secure"]
    assert c.JupyterHub.cookie_host_prefix_enabled


def _scopes(c: Config, role: str) -> list[str]:
    return next(entry["scopes"] for entry in c.JupyterHub.load_roles if entry["name"] == role)


def test_on_a_shared_origin_sharing_is_off_until_the_risk_is_named(settings):
    shared = "users:shares!user"
    assert shared in _scopes(wired(settings), "user")
    assert shared not in _scopes(wired(settings, site=Site(origins="path")), "user")
    assert shared in _scopes(wired(settings, site=Site(origins="path", accept_shared_origin_risk=True)), "user")


def test_admins_open_nobody_s_server(settings):
    c = wired(settings)
    assert not any(scope.startswith("access:servers") for scope in _scopes(c, "factory-admin"))
    assert c.JupyterHub.load_groups["admins"] == {"users": ["admin"]}


def test_nobody_reads_a_server_s_state_with_its_token_in_it(settings):
    for role in wired(settings).JupyterHub.load_roles:
        assert "admin:server_state" not in expand_scopes(role["scopes"]), role["name"]


def test_no_scope_of_a_page_or_server_reaches_beyond_its_person(settings):
    c = wired(settings)
    notebook = c.AtriumSpawner.notebook_token_scopes
    scopes = [*c.Spawner.server_token_scopes, *notebook, *c.JupyterHub.services[1]["oauth_client_allowed_scopes"]]
    assert not any("servers" in scope or "tokens" in scope for scope in notebook), "it opens no server"
    assert all(scope.endswith(("!user", "!server", "!service=atrium")) for scope in scopes)


def test_a_secret_that_cannot_be_read_is_one_sentence(settings):
    (settings.paths.secrets / "proxy").unlink()
    with pytest.raises(SettingsError, match="proxy cannot be read"):
        wired(settings)
