import pwd

from hub.home.service import display_name


def test_the_full_name_of_the_account(monkeypatch):
    account = pwd.struct_passwd(("ada", "x", 1000, 1000, "Ada Lovelace,Room 1,,", "/home/ada", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: account)
    assert display_name("ada") == "Ada Lovelace"


def test_an_account_without_one_or_none_at_all(monkeypatch):
    assert display_name("nobody-of-that-name") == "nobody-of-that-name"
    account = pwd.struct_passwd(("ada", "x", 1000, 1000, ",,,", "/home/ada", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: account)
    assert display_name("ada") == "ada"
