"""All scripts of a dashboard in one file."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from widgets.service import bundle

SHARE = Path(sys.prefix) / "share/jupyter"


def test_every_chunk_that_is_named_is_installed() -> None:
    """After an upgrade of Voila or of a widget library this says that the list has to be made anew."""
    static, extensions = SHARE / "voila/templates/base/static", [SHARE / "labextensions", SHARE / "voila/labextensions"]
    named = len(bundle.VOILA) + sum(len(numbers) for numbers in bundle.EXTENSIONS.values())

    assert len(list(bundle._chunks([static], extensions))) == named


def test_the_first_folder_that_has_a_chunk_wins_and_missing_ones_are_left_out(tmp_path: Path) -> None:
    for folder, text in (("own", "own"), ("base", "base")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{bundle.VOILA[0]}.voila.js").write_text(text)

    result = bundle.make([str(tmp_path / "own"), str(tmp_path / "base")], [])

    assert result.script == b"own"
    assert gzip.decompress(result.compressed) == result.script


def test_its_name_follows_what_is_in_it(tmp_path: Path) -> None:
    chunk = tmp_path / f"{bundle.VOILA[0]}.voila.js"
    chunk.write_text("1")
    before = bundle.make([str(tmp_path)], [])
    chunk.write_text("2")

    assert bundle.make([str(tmp_path)], []).version != before.version
