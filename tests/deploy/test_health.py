"""Health checks use TLS as the settings say, also before certificates exist."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from deploy.dev import health
from deploy.dev.layout import Layout, Options


@pytest.mark.parametrize("text", ["", "[hub]\nport = 1\n", "[hub]\ninternal_ssl = false\n", "[hub\n"])
def test_without_tls_unless_the_settings_say_so(tmp_path: Path, text: str) -> None:
    layout = Layout(Options(prefix=str(tmp_path)))
    assert health.internal_tls(layout) is None, "nothing is laid down yet"
    layout.etc.mkdir(parents=True)
    layout.settings.write_text(text)
    assert health.internal_tls(layout) is None


def test_with_tls_also_while_the_certificates_are_still_to_be_made(tmp_path: Path) -> None:
    layout = Layout(Options(prefix=str(tmp_path)))
    layout.etc.mkdir(parents=True)
    layout.settings.write_text("[hub]\ninternal_ssl = true\n")

    assert isinstance(health.internal_tls(layout), ssl.SSLContext)
