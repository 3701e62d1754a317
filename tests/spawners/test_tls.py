"""A server's key on its way to the node."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.errors import SlurmError
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


def spawner(folder: Path, *, on: bool) -> Certificates:
    certificates = Certificates()
    (folder / "ca").write_text("authorities")
    certificates.internal_trust_bundles = {"notebooks-ca": str(folder / "ca")}
    certificates.internal_ssl = on
    certificates.user = SimpleNamespace(name="founder")
    return certificates


async def test_the_pair_becomes_variables_and_no_path_of_the_hubs_goes_to_the_node(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the key")
    (tmp_path / "crt").write_text("the certificate")
    certificates = spawner(tmp_path, on=True)
    paths = certificates._read({"keyfile": str(tmp_path / "key"), "certfile": str(tmp_path / "crt")})
    (tmp_path / "key").write_text("the key of the same person's next server")

    assert await certificates.move_certs(paths) == {}
    assert {name: base64.b64decode(value).decode() for name, value in certificates.tls_environment().items()} == {
        "ATRIUM_TLS_KEY": "the key",
        "ATRIUM_TLS_CERT": "the certificate",
        "ATRIUM_TLS_CA": "authorities",
    }


def test_without_internal_ssl_there_are_no_variables(tmp_path: Path) -> None:
    assert spawner(tmp_path, on=False).tls_environment() == {}
