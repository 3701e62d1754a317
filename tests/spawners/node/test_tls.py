"""Keys from variables into files of mode 0600."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from spawners.node import tls


def variables(folder: Path, **changes: str) -> dict[str, str]:
    parts = {name: base64.b64encode(name.encode()).decode() for name in tls.PARTS}
    return {"JUPYTERHUB_API_URL": "https://hub:8081/hub/api", "JUPYTER_RUNTIME_DIR": str(folder), **parts, **changes}


def test_key_and_certificates_become_files_and_are_variables_no_more(tmp_path: Path) -> None:
    environment = variables(tmp_path)
    tls.unpack(environment)

    assert Path(environment["JUPYTERHUB_SSL_KEYFILE"]).read_text() == "ATRIUM_TLS_KEY"
    assert Path(environment["JUPYTERHUB_SSL_CLIENT_CA"]).read_text() == "ATRIUM_TLS_CA"
    assert environment["ATRIUM_API_CA"] == environment["JUPYTERHUB_SSL_CLIENT_CA"], "kernels verify the API with it"
    assert not set(environment) & set(tls.PARTS)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("lost", ["", "not base64!"])
def test_what_is_missing_is_said(tmp_path: Path, lost: str) -> None:
    with pytest.raises(tls.Missing, match="ATRIUM_TLS_CERT"):
        tls.unpack(variables(tmp_path, ATRIUM_TLS_CERT=lost))


def test_without_tls_nothing_is_written(tmp_path: Path) -> None:
    environment = variables(tmp_path, JUPYTERHUB_API_URL="http://hub:8081/hub/api")
    tls.unpack(environment)

    assert list(tmp_path.iterdir()) == []
    assert not {"JUPYTERHUB_SSL_KEYFILE", "ATRIUM_API_CA"} & set(environment)


def test_nothing_is_written_through_a_link_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "server.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        tls.unpack(variables(tmp_path))
    assert not (tmp_path / "elsewhere").exists()
