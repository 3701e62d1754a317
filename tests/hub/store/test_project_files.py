"""Files of a project's directory: nothing outside of it is opened, whatever is in the way."""

import os

import pytest

from hub.errors import InvalidInput
from hub.store import project_files


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "demo/results").mkdir(parents=True)
    (tmp_path / "demo/results/mean.csv").write_text("a\n1\n")
    (tmp_path / "demo/link.csv").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "demo/inside.csv").symlink_to(tmp_path / "demo/results/mean.csv")
    (tmp_path / "demo/elsewhere").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "demo/pipe")
    return str(tmp_path / "demo")


@pytest.mark.parametrize("path", ["results/mean.csv", "./results//mean.csv", "{}/results/mean.csv"])
def test_a_file_of_the_project_is_opened(directory, path):
    with project_files.opened(directory, path.format(directory)) as file:
        assert file.read() == b"a\n1\n"


@pytest.mark.parametrize(
    "path",
    [
        *("link.csv", "inside.csv", "elsewhere/secret.txt", "elsewhere/demo/results/mean.csv"),
        *("../secret.txt", "results/../../secret.txt", "{}/../secret.txt", "/etc/passwd", "", ".", "{}"),
        *("results", "pipe", "missing.csv", "results/mean.csv/x", "a\0b"),
    ],
)
def test_nothing_else_is_opened(directory, path):
    with pytest.raises(InvalidInput) as refusal:
        project_files.opened(directory, path.format(directory))
    assert refusal.value.field == "path"
