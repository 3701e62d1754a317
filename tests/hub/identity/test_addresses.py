"""Whose address a request has."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from hub.identity.addresses import client_address

PROXIES = (ip_network("10.9.0.0/24"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7, 10.9.0.1", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7,10.9.0.1,127.0.0.1", "192.0.2.7"),
        ("::1", "192.0.2.7", "192.0.2.7"),
        ("::ffff:127.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("fd00::5", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "", "2001:db8:1:2::/64"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_s(peer: str, forwarded_for: str, address: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == address


@pytest.mark.parametrize(
    ("peer", "forwarded_for"),
    [
        ("192.0.2.7", "203.0.113.1"),
        ("192.0.2.7", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1, 192.0.2.7"),
        ("127.0.0.1", "203.0.113.1, 192.0.2.7, 10.9.0.1"),
        ("127.0.0.1", "nonsense, 192.0.2.7"),
        ("127.0.0.1", ",".join(["203.0.113.1"] * 10_000 + ["192.0.2.7"])),
    ],
)
def test_what_a_client_says_of_itself_does_not_count(peer: str, forwarded_for: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == "192.0.2.7"


@pytest.mark.parametrize(
    ("peer", "forwarded_for"),
    [("127.0.0.1", ""), ("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "nonsense"), ("", ""), ("127.0.0.1", " , ")],
)
def test_this_machine_s_address_names_nobody(peer: str, forwarded_for: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES) is None
