"""Certificates for the programs that JupyterHub does not start itself."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from hub import environment, tls
from hub.errors import SettingsError
from hub.programs import proxy
from hub.programs.dashboards import dashboards_environment
from hub.settings import Hub, Paths, Settings

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
        (here / "atrium-client/atrium-client.crt", here / "hub-ca_trust.crt"),  # as the Hub looks at us
        (here / "atrium-client/atrium-client.crt", here / "proxy-api-ca_trust.crt"),
        (here / "hub-internal/hub-internal.crt", client_file),  # as we look at the Hub
        (here / "proxy-api/proxy-api.crt", client_file),
    ):
        believed = ["openssl", "verify", "-CAfile", str(authorities), str(certificate)]
        assert subprocess.run(believed, capture_output=True, check=False, timeout=30).returncode == 0, certificate
    hub = subprocess.run(
        ["openssl", "x509", "-in", here / "hub-internal/hub-internal.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "IP Address:192.0.2.1" in hub.stdout


def test_the_dashboards_get_a_copy_of_their_own(settings: Settings) -> None:
    copy = settings.paths.secrets / "dashboards.pem"
    copy.touch()

    assert dashboards_environment(settings, "t")["JUPYTERHUB_SSL_CLIENT_CA"] == str(copy)


def test_a_missing_certificate_is_said(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"dashboards\.pem can be read"):
        tls.client_context(settings)


def test_the_proxy_asks_for_certificates_on_both_sides(settings: Settings) -> None:
    command = proxy.command(settings)

    assert command[command.index("--default-target") + 1] == "https://192.0.2.1:18002"
    assert set(tls.PROXY_FLAGS) <= set(command)
    assert command[command.index("--client-ssl-ca") + 1].endswith("proxy-client-ca_trust.crt")


def test_without_it_nothing_is_made_or_asked_for(tmp_path: Path) -> None:
    settings = Settings(paths=Paths(state=tmp_path))
    tls.ensure(settings)

    assert list(tmp_path.iterdir()) == []
    assert tls.client_context(settings) is True
    assert not any("ssl" in word for word in proxy.command(settings))
    assert "JUPYTERHUB_SSL_CLIENT_CA" not in dashboards_environment(settings, "t")
