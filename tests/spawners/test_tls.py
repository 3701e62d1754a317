"""A server's key on its way to the node."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from certipy import Certipy
from cryptography import x509

from hub.certificates import names_of
from hub.errors import SlurmError
from hub.settings import Settings, Site
from spawners import tls
from spawners.job import site
from spawners.tls import Certificates, NodeNames


class Slurm:
    def __init__(self) -> None:
        self.query_count = 0
        self.silent = False

    async def node_addresses(self) -> list[str]:
        self.query_count += 1
        if self.silent:
            raise SlurmError("no answer")
        return ["10.1.0.5", "cpu7.cluster"]


async def test_nodes_are_named_as_certificates_want_it_and_asked_for_once() -> None:
    names, slurm = NodeNames(), Slurm()

    assert await names.all(slurm) == ["IP:10.1.0.5", "DNS:cpu7.cluster"]  # type: ignore[arg-type]
    await names.all(slurm)  # type: ignore[arg-type]
    assert slurm.query_count == 1


async def test_without_slurm_there_are_no_names_and_no_guess() -> None:
    names, slurm = NodeNames(), Slurm()
    slurm.silent = True
    with pytest.raises(SlurmError):
        await names.all(slurm)  # type: ignore[arg-type]


class NoNodes:
    """A cluster whose nodes have no other address."""

    async def all(self, _slurm: object) -> list[str]:
        return ["IP:10.1.0.5"]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Certificates]:
    """A spawner's certificates, in a Hub with an authority of its own."""
    Certipy(store_dir=str(tmp_path)).create_ca("notebooks-ca")
    (tmp_path / "bundle").write_text("authorities")
    monkeypatch.setattr(tls, "node_names", NoNodes())

    def certificates(*, on: bool = True, origins: str = "subdomain") -> Certificates:
        settings = Settings(site=Site(public_url="http://hub.example.org", origins=origins))
        monkeypatch.setattr(site, "site", lambda: SimpleNamespace(settings=settings, slurm=None))
        certificates = Certificates()
        certificates.internal_certs_location = str(tmp_path)
        certificates.internal_trust_bundles = {"notebooks-ca": str(tmp_path / "bundle")}
        certificates.internal_ssl = on
        certificates.user = SimpleNamespace(name="founder", domain="founder.hub.example.org")
        return certificates

    return certificates


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_the_pair_becomes_variables_and_nothing_of_it_stays_with_the_hub(
    make: Callable[..., Certificates], tmp_path: Path
) -> None:
    certificates = make()
    before = contents(tmp_path)

    assert await certificates.move_certs(await certificates.create_certs()) == {}
    texts = {name: base64.b64decode(value).decode() for name, value in certificates.tls_environment().items()}
    assert texts["ATRIUM_TLS_KEY"].startswith("-----BEGIN PRIVATE KEY-----")
    assert texts["ATRIUM_TLS_CA"] == "authorities"
    assert contents(tmp_path) == before
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (tmp_path / "pair").write_text(texts["ATRIUM_TLS_KEY"] + texts["ATRIUM_TLS_CERT"])
    context.load_cert_chain(tmp_path / "pair")


@pytest.mark.parametrize(
    ("origins", "host"), [("subdomain", "DNS:founder.hub.example.org"), ("path", "DNS:hub.example.org")]
)
async def test_a_certificate_names_the_persons_domain_and_the_nodes(
    make: Callable[..., Certificates], origins: str, host: str
) -> None:
    """In path mode there is one domain, so TLS does not separate people (deploy/security.md)."""
    certificates = make(origins=origins)
    await certificates.create_certs()
    certificate = x509.load_pem_x509_certificate(base64.b64decode(certificates.tls_environment()["ATRIUM_TLS_CERT"]))

    assert names_of(certificate) == {host, "IP:127.0.0.1", "IP:10.1.0.5"}


async def test_each_start_has_a_key_of_its_own(make: Callable[..., Certificates]) -> None:
    certificates = make()
    await certificates.create_certs()
    first = dict(certificates.tls_environment())
    await certificates.create_certs()

    assert certificates.tls_environment()["ATRIUM_TLS_KEY"] != first["ATRIUM_TLS_KEY"]


def test_without_internal_ssl_there_are_no_variables(make: Callable[..., Certificates]) -> None:
    assert make(on=False).tls_environment() == {}
