"""Certificates of an authority, and an authority that is extended."""

from __future__ import annotations

import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certipy import Certipy
from cryptography import x509

from hub import certificates
from hub.certificates import Authority, alternative_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of an authority as JupyterHub makes it."""
    Certipy(store_dir=str(tmp_path)).create_ca("test-ca")
    return tmp_path / "test-ca"


def verified(authority: bytes, certificate: bytes, folder: Path) -> bool:
    """Whether OpenSSL believes a certificate, at its strictest."""
    (folder / "ca").write_bytes(authority)
    (folder / "crt").write_bytes(certificate)
    argv = ["openssl", "verify", "-x509_strict", "-CAfile", folder / "ca", folder / "crt"]
    return subprocess.run(argv, capture_output=True, check=False, timeout=30).returncode == 0


def test_an_issued_certificate_is_verified_and_names_both_kinds_of_address(folder: Path, tmp_path: Path) -> None:
    names = ["IP:10.1.0.5", "DNS:cpu7", "IP:fd00::1", "DNS:cpu7"]
    pair = Authority.read(folder).issue("user-founder", names, days=30)
    certificate = x509.load_pem_x509_certificate(pair.certificate)

    assert verified((folder / "test-ca.crt").read_bytes(), pair.certificate, tmp_path)
    assert certificates.names_of(certificate) == {"IP:10.1.0.5", "DNS:cpu7", "IP:fd00::1"}
    assert 29 < certificates.days_left(certificate) <= 30
    assert certificate.not_valid_before_utc < datetime.now(UTC) - timedelta(minutes=30), "clocks differ"


def test_a_certificate_without_names_has_none(folder: Path) -> None:
    pair = Authority.read(folder).issue("x" * 100, (), days=1)

    assert certificates.names_of(x509.load_pem_x509_certificate(pair.certificate)) == set()


def test_an_extended_authority_verifies_what_it_issued_before_and_the_former_one_what_it_issues_now(
    folder: Path, tmp_path: Path
) -> None:
    former = (folder / "test-ca.crt").read_bytes()
    before = Authority.read(folder).issue("before", ["DNS:cpu7"], days=30)
    (folder / "test-ca.crt").write_bytes(Authority.read(folder).extended(days=5000))
    extended = Authority.read(folder)
    after = extended.issue("after", ["DNS:cpu7"], days=30)

    assert certificates.days_left(extended.certificate) > 4999
    assert verified((folder / "test-ca.crt").read_bytes(), before.certificate, tmp_path)
    assert verified(former, after.certificate, tmp_path)


def test_a_key_is_made_fast(folder: Path) -> None:
    """Each start of a server makes one."""
    authority = Authority.read(folder)
    began = datetime.now(UTC)
    for _ in range(10):
        authority.issue("user-founder", ["DNS:cpu7"], days=1)

    assert (datetime.now(UTC) - began) / 10 < timedelta(milliseconds=50)


@pytest.mark.parametrize(
    ("address", "name"),
    [("10.1.0.5", "IP:10.1.0.5"), ("cpu7", "DNS:cpu7"), ("FD00:0::1", "IP:fd00::1"), ("localhost", "DNS:localhost")],
)
def test_an_address_is_named_as_certificates_name_it(address: str, name: str) -> None:
    assert alternative_name(address) == name


def test_keys_of_authorities_are_for_their_owner_only(folder: Path) -> None:
    assert stat.S_IMODE((folder / "test-ca.key").stat().st_mode) == 0o600
