"""A person's own files in a project, shared with its members; those of others, links and private ones stay."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.projects import acl
from spawners.node import sharing, sharing_api
from spawners.node.sharing import Outcome, Project, Sharing

HOME_GROUP = pwd.getpwuid(os.getuid()).pw_gid
STRANGER = 54_321
"""User id of somebody else."""
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="gives files to other people")


@pytest.fixture
def group() -> int:
    """A group of this process that is not the one of home files."""
    if os.getuid() == 0:
        return 54_322
    groups = [number for number in os.getgroups() if number != HOME_GROUP]
    return groups[0] if groups else pytest.skip("this person has no second group")


@pytest.fixture
def project(tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    folder = tmp_path / "projects" / "green-steel"
    folder.mkdir(parents=True)
    if acl.read(folder, acl.DEFAULT) is None:
        pytest.skip("the file system of temporary files has no ACLs")
    monkeypatch.setattr(os, "getgroups", lambda: [HOME_GROUP, group])
    os.chown(folder, -1, group)
    folder.chmod(0o2770)
    os.setxattr(folder, acl.DEFAULT, acl.SHARED)
    previous = os.umask(0o027)
    [found_project] = sharing.projects(folder.parent)
    yield found_project
    os.umask(previous)


def repaired(project: Project, *, private_too: bool = False, **settings: object) -> Outcome:
    run = Sharing(project, private_too=private_too, **settings)  # type: ignore[arg-type]
    run.share(project.folder)
    return run.outcome


def bits(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def copied_tree(tmp_path: Path, project: Project, *command: str) -> Path:
    """What ``command`` puts into the project from a home with files of mode 0640."""
    home = tmp_path / "home"
    (home / "tree/below").mkdir(parents=True)
    (home / "tree/below/data.csv").write_text("1")
    (home / "tree/run.sh").write_text("#!/bin/sh")
    (home / "tree/run.sh").chmod(0o750)
    (home / "tree/read-only").write_text("1")
    (home / "tree/read-only").chmod(0o440)
    subprocess.run(
        ["sh", "-c", " ".join(command)], env={"PATH": "/usr/bin:/bin", "TO": str(project.folder)}, cwd=home, check=True
    )
    return project.folder / "tree"


@pytest.mark.parametrize(
    "command",
    ["cp -rp tree $TO", "tar -cf - tree | tar -C $TO -xpf -", "mv tree $TO", "cp -r tree $TO; chmod -R g-w $TO/tree"],
)
def test_what_other_programs_left_becomes_the_projects(tmp_path: Path, project: Project, command: str) -> None:
    tree = copied_tree(tmp_path, project, command)

    outcome = repaired(project)

    assert outcome.changed > 0
    for path, mode in {
        "": 0o2770,
        "below": 0o2770,
        "below/data.csv": 0o660,
        "run.sh": 0o770,
        "read-only": 0o440,
    }.items():
        status = (tree / path).stat()
        assert (status.st_gid, oct(stat.S_IMODE(status.st_mode))) == (project.group, oct(mode)), path
    assert acl.read(tree / "below", acl.DEFAULT) == acl.SHARED
    (tree / "below/new").write_text("1")
    assert bits(tree / "below/new") == 0o660
    assert repaired(project).changed == 0


def test_what_its_owner_keeps_private_stays_so_until_they_share_it(project: Project) -> None:
    secret, closed = project.folder / "token", project.folder / "closed"
    secret.write_text("1")
    secret.chmod(0o600)
    closed.mkdir()
    (closed / "notes").write_text("1")
    closed.chmod(0o700)

    assert repaired(project).private == 2
    assert (bits(secret), bits(closed) & 0o777) == (0o600, 0o700)
    assert repaired(project, private_too=True).changed > 0
    assert (bits(secret), bits(closed) & 0o777) == (0o660, 0o770)


@needs_root
def test_a_file_of_another_project_is_shared_only_by_its_owners_word(project: Project) -> None:
    moved = project.folder / "of-another-project"
    moved.write_text("1")
    os.chown(moved, -1, 54_399)
    moved.chmod(0o660)

    assert repaired(project).private == 1
    assert moved.stat().st_gid == 54_399
    repaired(project, private_too=True)
    assert moved.stat().st_gid == project.group


@needs_root
def test_files_of_others_are_left_alone_and_counted(project: Project) -> None:
    theirs = project.folder / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("1")
    (theirs / "file").chmod(0o640)
    for path in (theirs, theirs / "file"):
        os.chown(path, STRANGER, project.group)
    (theirs / "own").write_text("1")
    (theirs / "own").chmod(0o640)

    outcome = repaired(project, private_too=True)

    assert (bits(theirs / "file"), bits(theirs / "own")) == (0o640, 0o660)
    assert outcome.others == 1


def test_links_lead_nowhere(tmp_path: Path, project: Project) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("1")
    (outside / "file").chmod(0o640)
    (outside / "second").write_text("1")
    (outside / "second").chmod(0o640)
    (project.folder / "file").symlink_to(outside / "file")
    (project.folder / "folder").symlink_to(outside)
    os.link(outside / "second", project.folder / "second")
    os.mkfifo(project.folder / "pipe")

    outcome = repaired(project, private_too=True)

    assert (bits(outside / "file"), bits(outside / "second"), bits(outside)) == (0o640, 0o640, 0o750)
    assert outcome.linked == 1


def test_a_directory_that_becomes_a_link_leads_nowhere(tmp_path: Path, project: Project) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("1")
    (outside / "file").chmod(0o640)
    (project.folder / "folder").symlink_to(outside)

    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        Sharing(project, private_too=True).share(project.folder / "folder/file")

    assert bits(outside / "file") == 0o640


def test_programs_with_special_rights_stay_their_owners(project: Project) -> None:
    program = project.folder / "program"
    program.write_text("1")
    program.chmod(0o4750)

    assert repaired(project, private_too=True).linked == 1
    assert bits(program) == 0o4750


def test_it_ends_in_time_and_says_so(project: Project) -> None:
    for number in range(5):
        (project.folder / str(number)).write_text("1")
    ticks = iter(range(1000))

    assert not repaired(project, seconds=3, clock=lambda: float(next(ticks))).complete


def test_only_projects_of_the_person_are_looked_at(project: Project, tmp_path: Path) -> None:
    root = project.folder.parent
    (root / "link").symlink_to(project.folder)
    (root / "plain").mkdir()
    (root / "strangers").mkdir()
    (root / "strangers").chmod(0o2770)

    assert [entry.slug for entry in sharing.projects(root)] == ["green-steel"]
    project.folder.chmod(0o2700)
    assert list(sharing.projects(root)) == [], "a closed project"


def test_who_can_edit_is_read_from_the_file(project: Project, tmp_path: Path) -> None:
    root, file = project.folder.parent, project.folder / "a/b.ipynb"
    file.parent.mkdir()
    file.write_text("1")
    link = tmp_path / "projects-of-mine"
    link.symlink_to(root)

    can_edit = {"project": "green-steel", "sentences": ["All members of green-steel can edit this file."]}
    assert sharing_api.who_can_edit(link / "green-steel/a/b.ipynb", root) == can_edit
    for path, mode in ((file, 0o640), (file.parent, 0o700)):
        before = bits(path)
        path.chmod(mode)
        [sentence] = sharing_api.who_can_edit(file, root)["sentences"]
        assert "cannot edit this file" in sentence
        path.chmod(before)
    assert sharing_api.who_can_edit(tmp_path / "elsewhere", root) == {"project": None, "sentences": []}
    assert sharing_api.who_can_edit(project.folder / "missing", root)["sentences"] == [
        "Who can edit this file is not known."
    ]


def test_sharing_says_what_happened(project: Project, tmp_path: Path) -> None:
    root, folder = project.folder.parent, project.folder / "a"
    folder.mkdir()
    (folder / "own").write_text("1")
    (folder / "own").chmod(0o600)

    assert sharing_api.share([folder / "own"], root)["sentences"] == [
        "Now shared with all members of green-steel: 1 file or folder."
    ]
    assert sharing_api.share([folder / "own"], root)["sentences"] == [
        "All members of green-steel could edit these files before: 1 file or folder."
    ]
    folder.chmod(0o700)
    (folder / "own").chmod(0o600)
    assert "A folder above them is closed" in sharing_api.share([folder / "own"], root)["sentences"][-1]
    assert sharing_api.share([tmp_path], root)["sentences"] == [sharing_api.OUTSIDE]


def test_the_repair_at_the_start_never_raises(tmp_path: Path, project: Project) -> None:
    (project.folder / "file").write_text("1")
    (project.folder / "file").chmod(0o640)
    sharing_api.repair(project.folder.parent)
    assert bits(project.folder / "file") == 0o660
    sharing_api.repair(tmp_path / "missing")
