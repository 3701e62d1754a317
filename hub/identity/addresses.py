"""Addresses of clients, as far as the proxies before us can be trusted to name them."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_CHAIN = 20
"""Entries of ``X-Forwarded-For`` that are read, from the nearest proxy on."""


def client_address(peer: str, forwarded_for: str, proxies: Collection[Network]) -> str | None:
    """The client's address; of IPv6 its network of 64 bits, because one client has all of it.

    None for this machine: people share its address through tunnels and proxies, so it names nobody.

    :param peer: who sent the request: its header counts only if this is a proxy of ours.
    :param forwarded_for: the header ``X-Forwarded-For``, to which each proxy appends the address that it saw.
    :param proxies: networks of proxies besides this machine.
    """
    chain = [*forwarded_for.split(",")[-LONGEST_CHAIN:], peer] if forwarded_for else [peer]
    for text in reversed(chain):
        address = _parsed(text)
        if address is None:
            return None
        if not address.is_loopback and not any(address in network for network in proxies):
            return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))
    return None


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
