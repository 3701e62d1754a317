"""Certificates for the programs that JupyterHub does not start itself."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from hub import certificates, environment, tls
from hub.certificates import Authority
from hub.errors import SettingsError
from hub.programs import proxy
from hub.programs.dashboards import dashboards_environment
from hub.settings import Api, Hub, Paths, Settings

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a deployment with internal TLS, as its programs read them."""
    for name in ("etc", "etc/secrets", "state"):
        (tmp_path / name).mkdir()
    for name in ("cookie", "proxy", "atrium", "dashboards", "pages", "worker"):
        (tmp_path / "etc/secrets" / name).write_text("0" * 64)
    config = tmp_path / "atrium.toml"
    config.write_text(
        f'[paths]\netc = "{tmp_path}/etc"\nstate = "{tmp_path}/state"\n[hub]\ninternal_ssl = true\nhost = "192.0.2.1"\n'
    )
    monkeypatch.setenv("ATRIUM_CONFIG", str(config))
    original_settings = environment.settings_too  # a checkout is not installed, so it has to be found
    monkeypatch.setattr(environment, "settings_too", lambda: {**original_settings(), "PYTHONPATH": str(ROOT)})
    return Settings(
        paths=Paths(etc=tmp_path / "etc", state=tmp_path / "state"), hub=Hub(internal_ssl=True, host="192.0.2.1")
    )


def test_certificates_are_made_once_and_are_believed(settings: Settings) -> None:
    tls.ensure(settings)
    client_file = tls.client_file(settings)
    before = client_file.read_bytes()
    tls.ensure(settings)

    assert client_file.read_bytes() == before
    assert client_file.stat().st_mode & 0o777 == 0o600
    assert isinstance(tls.client_context(settings), ssl.SSLContext)
    here = tls.folder(settings)
    for certificate, authorities in (
        (client_file, here / "hub-ca_trust.crt"),  # as the Hub looks at us
        (client_file, here / "proxy-api-ca_trust.crt"),
        (here / "hub-internal/hub-internal.crt", client_file),  # as we look at the Hub
        (here / "proxy-api/proxy-api.crt", client_file),
    ):
        assert verifies(authorities, certificate), certificate
    hub = subprocess.run(
        ["openssl", "x509", "-in", here / "hub-internal/hub-internal.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "IP Address:192.0.2.1" in hub.stdout


def test_the_api_has_a_certificate_that_servers_and_programs_believe(settings: Settings) -> None:
    tls.ensure(settings)
    here = tls.folder(settings)

    assert tls.api_file(settings).stat().st_mode & 0o777 == 0o600
    assert tls.authority_file(settings).stat().st_mode & 0o777 == 0o644
    for authorities in (tls.authority_file(settings), here / "notebooks-ca_trust.crt", tls.client_file(settings)):
        assert verifies(authorities, tls.api_file(settings)), authorities
    assert certificates.names_of(certificates.read(tls.api_file(settings))) >= {"IP:127.0.0.1", "DNS:localhost"}
    assert {path.stat().st_mode & 0o777 for path in here.rglob("*.key")} == {0o600}
    assert here.stat().st_mode & 0o777 in {0o700, 0o755}


def test_certificates_are_renewed_in_time_and_what_runs_goes_on_believing_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls.ensure(settings)
    here = tls.folder(settings)
    files = (tls.client_file(settings), tls.api_file(settings), here / "hub-internal/hub-internal.crt")
    files += (here / "proxy-api/proxy-api.crt", here / "hub-ca/hub-ca.crt", here / "notebooks-ca/notebooks-ca.crt")
    before = {path: path.read_bytes() for path in files}
    servers_trust = here.parent / "of-a-running-server"
    servers_trust.write_bytes((here / "notebooks-ca_trust.crt").read_bytes())
    server = Authority.read(here / "notebooks-ca").issue("user-founder", ["IP:127.0.0.1"], days=30)
    (here.parent / "server.crt").write_bytes(server.certificate)
    monkeypatch.setattr(tls, "RENEW_DAYS", tls.DAYS - 0.5)
    tls.ensure(settings)
    assert {path: path.read_bytes() for path in files} == before, "none ends so soon"

    monkeypatch.setattr(tls, "RENEW_DAYS", tls.DAYS + 0.5)
    monkeypatch.setattr(tls, "DAYS", tls.DAYS + 10)
    tls.ensure(settings)

    assert [path for path in files if path.read_bytes() == before[path]] == []
    assert verifies(servers_trust, here / "hub-internal/hub-internal.crt"), "the server believes the renewed Hub"
    assert verifies(here / "hub-ca_trust.crt", here.parent / "server.crt"), "the renewed Hub believes the server"
    assert verifies(servers_trust, tls.api_file(settings))


def test_a_new_address_in_the_settings_gets_into_the_certificates(settings: Settings, tmp_path: Path) -> None:
    tls.ensure(settings)
    moved = settings.model_copy(
        update={"hub": settings.hub.model_copy(update={"host": "192.0.2.9"}), "api": Api(host="192.0.2.8")}
    )
    config = tmp_path / "atrium.toml"
    config.write_text(config.read_text().replace("192.0.2.1", "192.0.2.9"))
    tls.ensure(moved)

    for path, name in (
        (tls.api_file(settings), "IP:192.0.2.8"),
        (tls.folder(settings) / "hub-internal/hub-internal.crt", "IP:192.0.2.9"),
    ):
        assert name in certificates.names_of(certificates.read(path))


def test_a_copy_from_before_the_apis_certificate_gets_one(settings: Settings) -> None:
    tls.ensure(settings)
    for path in (tls.api_file(settings), tls.authority_file(settings)):
        path.unlink()
    client = tls.client_file(settings).read_bytes()
    tls.ensure(settings)

    assert verifies(tls.authority_file(settings), tls.api_file(settings))
    assert tls.client_file(settings).read_bytes() == client


def test_unreadable_certificates_are_said(settings: Settings) -> None:
    tls.ensure(settings)
    tls.api_file(settings).write_text("nothing")
    with pytest.raises(SettingsError, match="internal certificates"):
        tls.ensure(settings)


def verifies(authorities: Path, certificate: Path) -> bool:
    argv = ["openssl", "verify", "-CAfile", str(authorities), str(certificate)]
    return subprocess.run(argv, capture_output=True, check=False, timeout=30).returncode == 0


def test_the_dashboards_get_a_copy_of_their_own(settings: Settings) -> None:
    copy = settings.paths.secrets / "dashboards.pem"
    copy.touch()

    variables = dashboards_environment(settings, "t")
    assert variables["JUPYTERHUB_SSL_CLIENT_CA"] == str(copy)
    assert variables["ATRIUM_API_CA"] == str(tls.authority_file(settings))


def test_a_missing_certificate_is_said(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"dashboards\.pem can be read"):
        tls.client_context(settings)


def test_the_proxy_asks_for_certificates_on_both_sides(settings: Settings) -> None:
    command = proxy.command(settings)

    socket = quote(str(settings.paths.hub_socket), safe="")
    assert command[command.index("--default-target") + 1] == f"http+unix://{socket}", "nginx verifies the Hub"
    assert set(tls.PROXY_FLAGS) <= set(command)
    assert command[command.index("--client-ssl-ca") + 1].endswith("proxy-client-ca_trust.crt")


def test_without_it_nothing_is_made_or_asked_for(tmp_path: Path) -> None:
    settings = Settings(paths=Paths(state=tmp_path))
    tls.ensure(settings)

    assert list(tmp_path.iterdir()) == []
    assert tls.client_context(settings) is True
    assert not any("ssl" in word for word in proxy.command(settings))
    assert "JUPYTERHUB_SSL_CLIENT_CA" not in dashboards_environment(settings, "t")
