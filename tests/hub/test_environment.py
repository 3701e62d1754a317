import os
import stat

import pytest

from hub import environment
from hub.errors import SettingsError


def test_a_programs_environment_has_only_what_it_needs(monkeypatch):
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "x")
    monkeypatch.setenv("ATRIUM_CONFIG", "/somewhere.toml")
    monkeypatch.setenv("HOME", "/not/mine")
    assert set(environment.bare()) == {"PATH", "HOME", "LANG"}
    assert environment.bare()["HOME"] != "/not/mine"
    added = environment.settings_too().keys() - environment.bare().keys()
    assert "ATRIUM_CONFIG" in added
    assert all(name.startswith("ATRIUM_") for name in added)


def test_a_program_that_is_missing_is_named(tmp_path):
    with pytest.raises(SettingsError, match="nowhere"):
        environment.become([str(tmp_path / "nowhere")], {})


def test_the_hubs_configuration_is_found():
    assert environment.shared_file("jupyterhub_config.py").is_file()


def test_a_program_takes_over_this_process(tmp_path):
    script = tmp_path / "program"
    script.write_text("#!/bin/sh\necho $$ $GREETING $HOME > told\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    child = os.fork()
    if child == 0:
        os.chdir(tmp_path)
        environment.become([str(script)], {"GREETING": "hello", "PATH": "/bin"})
    os.waitpid(child, 0)
    assert (tmp_path / "told").read_text().split() == [str(child), "hello"]
