"""Files are written once, an administrator's edits stay, and links are not followed."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from deploy.dev import files
from deploy.dev.errors import DeployError

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


def test_a_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert files.put(path, "text", mode=0o600, **ME)
    before = path.stat()
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert not files.put(path, "text", mode=0o600, **ME)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert files.put(path, "text", mode=0o640, **ME)
    assert files.put(path, "other", mode=0o640, **ME)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_takes_the_place_of_a_link(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_text("precious")
    path.symlink_to(victim)
    files.put(path, "ours", **ME)
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


def test_a_directory_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(DeployError, match="in the way"):
        files.directory(tmp_path / "link", **ME)


@pytest.mark.skipif(os.getuid() != 0, reason="editable files are root's")
def test_an_edit_survives_and_is_mentioned_once(tmp_path: Path) -> None:
    path, ledger = tmp_path / "atrium.toml", tmp_path / "written.json"
    assert files.put_editable(path, "one", ledger) == ""
    assert files.put_editable(path, "two", ledger) == ""
    assert path.read_text() == "two"
    path.write_text("edited")
    assert files.put_editable(path, "two", ledger) == ""
    assert "was edited and is kept" in files.put_editable(path, "three", ledger)
    assert (path.read_text(), (tmp_path / "atrium.toml.new").read_text()) == ("edited", "three")
    assert files.put_editable(path, "three", ledger) == ""


@pytest.mark.skipif(os.getuid() != 0, reason="editable files are root's")
def test_a_file_that_was_there_before_us_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "slurm.conf"
    path.write_text("theirs")
    assert "is kept" in files.put_editable(path, "ours", tmp_path / "written.json")
    assert path.read_text() == "theirs"


def test_a_link_is_changed_in_one_move(tmp_path: Path) -> None:
    link = tmp_path / "hub"
    assert files.link(link, tmp_path / "one")
    assert not files.link(link, tmp_path / "one")
    assert files.link(link, tmp_path / "two")
    assert link.readlink() == tmp_path / "two"


def test_a_template_with_a_missing_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        files.render("pam", group="x")


def test_fingerprints_tell_parts_apart() -> None:
    assert files.fingerprint([b"ab", b"c"]) != files.fingerprint([b"a", b"bc"])
    assert files.fingerprint([b"a"]) == files.fingerprint(iter([b"a"]))
