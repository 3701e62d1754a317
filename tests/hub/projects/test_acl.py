"""Default ACLs of projects' directories: what is created there, and where ``atrium check`` misses them."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.projects import project
from hub.projects import acl


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory with the default ACL."""
    folder = tmp_path / "green-steel"
    folder.mkdir()
    if acl.read(folder, acl.DEFAULT) is None:
        pytest.skip("the file system of temporary files has no ACLs")
    folder.chmod(0o2770)
    os.setxattr(folder, acl.DEFAULT, acl.SHARED)
    return folder


def test_the_helper_that_stands_alone_writes_the_same_acl() -> None:
    assert project.DEFAULT_ACL == acl.SHARED


@pytest.mark.parametrize("umask", [0o027, 0o077, 0o000])
def test_what_is_created_is_the_members_whatever_the_umask_is(shared: Path, umask: int) -> None:
    script = "import os, sys; os.umask(int(sys.argv[1])); os.mkdir('a'); os.mkdir('a/b'); open('a/b/c', 'w')"
    subprocess.run([sys.executable, "-c", script, str(umask)], cwd=shared, check=True, timeout=20)

    assert mode(shared / "a/b") & 0o777 == 0o770
    assert mode(shared / "a/b/c") == 0o660
    assert acl.read(shared / "a/b", acl.DEFAULT) == acl.SHARED, "it is inherited"


def test_the_helper_sets_it_again_and_says_where_it_cannot(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.removexattr(shared, acl.DEFAULT)
    handle = os.open(shared, os.O_RDONLY)
    assert project.set_default_acl(handle)
    assert acl.read(shared, acl.DEFAULT) == acl.SHARED

    def refuse(*_arguments: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "setxattr", refuse)
    number = errno.EOPNOTSUPP
    assert not project.set_default_acl(handle)
    number = errno.EPERM
    with pytest.raises(OSError, match="refused"):
        project.set_default_acl(handle)
    os.close(handle)


def test_the_check_names_directories_without_a_default_acl(shared: Path) -> None:
    assert list(acl.warnings(shared.parent)) == []
    (shared.parent / "other").mkdir(mode=0o755)  # not made by the storage helper
    (shared.parent / "link").symlink_to(shared)
    os.removexattr(shared, acl.DEFAULT)
    [sentence] = acl.warnings(shared.parent)
    assert f"{shared} has no default ACL" in sentence
    assert f"setfacl --default --modify u::rwx,g::rwx,o::--- {shared}" in sentence


def test_the_check_names_file_systems_without_acls(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> bytes:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "getxattr", refuse)
    [sentence] = acl.warnings(shared.parent)
    assert f"No access control lists (ACLs) on the file system of {shared.parent}, {shared}" in sentence


def test_the_check_does_not_guess(tmp_path: Path) -> None:
    [sentence] = acl.warnings(tmp_path / "missing")
    assert "is unknown" in sentence


def test_a_group_gets_bits_and_named_people_no_more_than_before(shared: Path) -> None:
    """``u::rw-,u:1234:rw-,g::r--,m::r--,o::r--``: the mask keeps the named person from writing."""
    tags = ((0x01, 6, acl._NO_ID), (0x02, 6, 1234), (0x04, 4, acl._NO_ID), (0x10, 4, acl._NO_ID), (0x20, 4, acl._NO_ID))
    before = acl._VERSION + b"".join(acl._ENTRY.pack(*entry) for entry in tags)
    after = list(acl._ENTRY.iter_unpack(acl.with_group(before, 6)[4:]))

    assert [(tag, bits) for tag, bits, _ in after] == [(0x01, 6), (0x02, 4), (0x04, 6), (0x10, 6), (0x20, 0)]
