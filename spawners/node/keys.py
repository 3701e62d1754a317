"""Temporary TLS credentials for all clusters of a server; scheduler, workers and clients need them to connect.

They are files before the first cluster is there, and the server's variables name them, so that a plain
``dask.distributed.Client(address)`` in a notebook finds them. Made by a process of its own (``python -m
spawners.node.keys``), because its imports would hold up the server. What Dask does in ``Security.temporary``.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spawners.node.job_context import CERTIFICATE, KEY, JobContext

DAYS = 30


def ensure(context: JobContext) -> None:
    """Create both files if missing; safe to run twice and concurrently."""
    folder = context.keys
    if (folder / KEY).exists():
        return
    context.make_directories()
    new = folder.with_name(f"{folder.name}.{os.getpid()}")
    new.mkdir(mode=0o700)
    key, certificate = _pair()
    _write(new / KEY, key)
    _write(new / CERTIFICATE, certificate)
    try:
        new.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(new)
    if not (folder / KEY).exists():
        raise OSError(f"No keys could be written to {folder}.")


def remove(context: JobContext) -> None:
    shutil.rmtree(context.keys, ignore_errors=True)


def variables(context: JobContext) -> dict[str, str]:
    """Variables with Dask's settings for the files, for every process of the server."""
    certificate, key = str(context.keys / CERTIFICATE), str(context.keys / KEY)
    names = {"CA_FILE": certificate, "CLIENT__CERT": certificate, "CLIENT__KEY": key}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in names.items()}


def _pair() -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "atrium-dask")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=10))  # clocks of nodes may differ
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, text: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)


if __name__ == "__main__":
    ensure(JobContext.from_environment())
