"""Keys and certificates signed by one of JupyterHub's authorities (files of certipy, as hub/tls.py lays them out)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLOCKS_DIFFER = timedelta(hours=1)
"""Certificates count from so long before they are made, because the clocks of nodes differ."""
_LONGEST_NAME = 64
_USES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@dataclass(frozen=True)
class Pair:
    """A key and its certificate, as PEM."""

    key: bytes
    certificate: bytes


@dataclass(frozen=True)
class Authority:
    """A certificate with which others are signed, and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @classmethod
    def read(cls, folder: Path) -> Authority:
        """The authority whose files are in ``folder`` and have its name. Raises OSError or ValueError."""
        text = (folder / f"{folder.name}.key").read_bytes()
        # JupyterHub made the key; its check takes longer than all the rest.
        key = serialization.load_pem_private_key(text, password=None, unsafe_skip_rsa_key_validation=True)
        return cls(read(folder / f"{folder.name}.crt"), cast(rsa.RSAPrivateKey, key))

    def issue(self, name: str, alternative_names: Iterable[str], *, days: int) -> Pair:
        """A new key with a certificate for both sides of a connection.

        An elliptic curve, because making an RSA key takes a tenth of a second of each start of a server.

        :param alternative_names: as in ``IP:10.1.0.5`` and ``DNS:cpu7``.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_NAME])])
        issuer = self.key.public_key()
        builder = (
            _builder(days)
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .add_extension(x509.ExtendedKeyUsage(_USES), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        )
        if names := [_general_name(text) for text in dict.fromkeys(alternative_names)]:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        key_text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Pair(key_text, _pem(builder.sign(self.key, hashes.SHA256())))

    def extended(self, *, days: int) -> bytes:
        """The same authority with the same key for ``days`` from now: what it signed before is still believed, and so
        is what it signs by those who have its former certificate, until that ends."""
        former = self.certificate
        builder = _builder(days).subject_name(former.subject).issuer_name(former.issuer)
        builder = builder.public_key(self.key.public_key())
        for extension in former.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return _pem(builder.sign(self.key, hashes.SHA256()))


def read(path: Path) -> x509.Certificate:
    """The first certificate in a PEM file. Raises OSError or ValueError."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def days_left(certificate: x509.Certificate) -> float:
    return (certificate.not_valid_after_utc - datetime.now(UTC)) / timedelta(days=1)


def names_of(certificate: x509.Certificate) -> set[str]:
    """Its alternative names, as in ``IP:10.1.0.5`` and ``DNS:cpu7``."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = {f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)}
    return addresses | {f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)}


def alternative_name(address: str) -> str:
    """An address as a certificate names it, ``IP:10.1.0.5`` or ``DNS:cpu7``."""
    try:
        return f"IP:{ipaddress.ip_address(address)}"
    except ValueError:
        return f"DNS:{address}"


def _general_name(text: str) -> x509.GeneralName:
    kind, _, value = text.partition(":")
    return x509.IPAddress(ipaddress.ip_address(value)) if kind == "IP" else x509.DNSName(value)


def _builder(days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder().serial_number(serial)
    return builder.not_valid_before(now - _CLOCKS_DIFFER).not_valid_after(now + timedelta(days=days))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
