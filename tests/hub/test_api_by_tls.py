"""Kernels, servers and programs verify the API by certificate, and send their token to nobody else."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from certipy import Certipy

from hub import api_token, tls
from hub.certificates import Authority
from hub.client import Api
from hub.errors import HubUnavailable, SettingsError
from hub.pages.overview import Overviews
from hub.settings import Hub, Paths, Settings
from spawners.node.hours import ProjectHours
from tests.tls_server import Requests, tls_server

ME = {"name": "founder", "projects": [{"slug": "p", "account": "steel", "title": "Steel", "cpu": None, "gpu": None}]}


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The file of an authority."""
    Certipy(store_dir=str(tmp_path)).create_ca("hub-ca")
    return tmp_path / "hub-ca/hub-ca.crt"


@contextmanager
def api(folder: Path, authority: Path) -> Iterator[tuple[str, Requests]]:
    """An API with a certificate of ``authority``: its address, and the requests it got."""
    folder.mkdir()
    pair = Authority.read(authority.parent).issue("atrium-api", ["IP:127.0.0.1"], days=1)
    (folder / "pem").write_bytes(pair.key + pair.certificate)
    with tls_server(folder / "pem", json.dumps(ME).encode()) as (port, requests):
        yield f"https://127.0.0.1:{port}", requests


@pytest.fixture
def notebook(tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables and the token of a notebook."""
    api_token.write(tmp_path, "t0ken")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv(api_token.AUTHORITY_VARIABLE, str(authority))


@pytest.mark.usefixtures("notebook")
def test_a_kernel_verifies_the_api(tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with api(tmp_path / "api", authority) as (url, requests):
        monkeypatch.setenv("ATRIUM_API_URL", url)
        with pytest.raises(HubUnavailable, match="cannot be read"), Api.from_environment() as client:
            client.me()  # a short answer of another version, which is enough here
        with Api.from_environment("another") as client, pytest.raises(HubUnavailable, match="cannot be read"):
            client.me()

    assert [headers["Authorization"] for headers in requests] == ["token t0ken", "token another"]


@pytest.mark.usefixtures("notebook")
async def test_nobody_sends_a_token_to_a_server_of_another_authority(
    tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Certipy(store_dir=str(tmp_path / "other")).create_ca("hub-ca")
    with api(tmp_path / "api", tmp_path / "other/hub-ca/hub-ca.crt") as (url, requests):
        monkeypatch.setenv("ATRIUM_API_URL", url)
        with pytest.raises(HubUnavailable, match="cannot be reached"), Api.from_environment() as client:
            await asyncio.to_thread(client.me)
        assert await ProjectHours("steel").soon(5) is None
        assert (await Overviews(url, lambda: "secret", authority=authority).of("founder")).stale

    assert requests == []


@pytest.mark.usefixtures("notebook")
async def test_a_server_asks_for_hours_by_tls(tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with api(tmp_path / "api", authority) as (url, _):
        monkeypatch.setenv("ATRIUM_API_URL", url)
        hours = await ProjectHours("steel").soon(5)

    assert hours == {"title": "Steel", "cpu": None, "gpu": None, "stale": False}


@pytest.mark.usefixtures("notebook")
def test_a_missing_authority_is_said_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATRIUM_API_URL", "https://127.0.0.1:9")
    monkeypatch.setenv(api_token.AUTHORITY_VARIABLE, "/nowhere/ca.crt")

    with pytest.raises(SettingsError, match=r"/nowhere/ca\.crt, cannot be read") as raised:
        Api.from_environment()
    assert raised.value.hint.startswith("Restart your server")


def test_addresses_and_authority_follow_the_setting(tmp_path: Path) -> None:
    paths = Paths(state=tmp_path)
    by_tls, without = Settings(paths=paths, hub=Hub(internal_ssl=True)), Settings(paths=paths)

    assert by_tls.api_url == "https://127.0.0.1:18003/services/atrium/api"
    assert tls.authority_of_api(by_tls) == tmp_path / "internal-ca.crt"
    assert without.api_url.startswith("http://")
    assert tls.authority_of_api(without) is None


def test_a_context_of_the_authority_believes_nobody_else(authority: Path) -> None:
    assert len(ssl.create_default_context(cafile=authority).get_ca_certs()) == 1
