"""The file from which notebooks read their token."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub import api_token
from hub.errors import SettingsError


def test_only_the_owner_reads_it_and_a_new_one_replaces_it(tmp_path: Path) -> None:
    api_token.write(tmp_path, "first")
    api_token.write(tmp_path, "second")

    assert [path.name for path in tmp_path.iterdir()] == [api_token.FILE]
    assert (tmp_path / api_token.FILE).stat().st_mode & 0o777 == 0o600
    assert api_token.read({"JUPYTER_RUNTIME_DIR": str(tmp_path)}) == "second"


def test_without_the_file_the_message_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        api_token.read({"JUPYTER_RUNTIME_DIR": str(tmp_path)})
    assert "notebook" in refused.value.hint
