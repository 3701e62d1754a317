"""Chooses a server's address and port, and opens its socket."""

from __future__ import annotations

import errno
import ipaddress
import os
import random
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

EXIT_PORT_TAKEN = 75

EVERYWHERE = "0.0.0.0"  # noqa: S104  only if the address that Slurm's name of this node means is not known
_BACKLOG = 128


class NoPort(Exception):
    """All ports for servers are in use on this node."""


def open_socket(environment: Mapping[str, str] = os.environ) -> socket.socket:
    """A listening socket: a port that is kept open cannot be taken, unlike one that is probed and released.

    The Hub's first request waits in its queue until the server is up. Raises :class:`NoPort`.
    """
    address = choose_address(environment)
    for port in ports(environment.get("ATRIUM_PORTS", "")):
        try:
            return listen(address, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise NoPort(f"Every port of {environment['ATRIUM_PORTS']} is taken on this node.")


def listen(address: str, port: int) -> socket.socket:
    """Bind and listen in one step; without listening, another process could bind the same port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # Allow reuse of a port that an earlier server has just left (only in a range).
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def ports(allowed: str) -> Iterable[int]:
    """Ports to try, ``20000-20999`` in an order of chance so that servers do not queue up at its start; "": the
    kernel's choice."""
    if not allowed:
        return (0,)
    first, last = (int(part) for part in allowed.split("-"))
    return random.sample(range(first, last + 1), last - first + 1)


def choose_address(environment: Mapping[str, str]) -> str:
    """The address that the Hub uses (see README.md, "Where a server listens")."""
    towards_hub = _source_address(environment.get("JUPYTERHUB_API_URL", ""))
    network = environment.get("ATRIUM_NODE_NETWORK", "")
    if network:
        return _in_network(ipaddress.ip_network(network), environment, towards_hub)
    if ipaddress.ip_address(towards_hub).is_loopback:
        return towards_hub
    return towards_hub if towards_hub in _addresses(environment.get("SLURMD_NODENAME", "")) else EVERYWHERE


def _source_address(url: str) -> str:
    """This node's own address on its way to the Hub. Connecting a UDP socket sends nothing."""
    hub = urlsplit(url)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(hub.hostname, hub.port or 80, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return EVERYWHERE


def _addresses(name: str) -> set[str]:
    """Addresses of Slurm's name of this node, as the Hub resolves it."""
    if not name:
        return set()
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _in_network(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, environment: Mapping[str, str], towards_hub: str
) -> str:
    """The node's address in ``spawn.node_network``; all addresses if it has none there."""
    names = (environment.get("SLURMD_NODENAME", ""), socket.gethostname())
    candidates = [towards_hub, *(address for name in names for address in sorted(_addresses(name)))]
    matching = (entry for entry in candidates if ipaddress.ip_address(entry.partition("%")[0]) in network)
    return next(matching, EVERYWHERE)
