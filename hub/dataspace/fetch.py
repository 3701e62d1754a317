"""The one way out: whatever Atrium fetches for a catalogue, a preview or a transfer goes through here.

An address that somebody else chose must not make us ask our own machines. So: http and https only; the host's name is
resolved once, every address it has is checked, and the connection goes to the one that was checked; each redirect is a
new address and is checked again; what was meant for one host is not told to another; time and bytes are bounded, before
and after decompression.
"""

from __future__ import annotations

import ipaddress
import socket
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from hub.errors import AtriumError

MOST_REDIRECTS = 5
CONNECT_SECONDS = 10.0
CHUNK = 64 * 1024
USER_AGENT = "Atrium (data catalogue harvester)"
_KEPT_ON_ANOTHER_HOST = {"accept", "accept-encoding", "user-agent", "range", "if-range"}
_CGNAT = ipaddress.ip_network("100.64.0.0/10")
_WITH_IPV4_INSIDE = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""NAT64, and the forgotten form of an IPv4 address as IPv6."""


class FetchRefused(AtriumError):
    """An address that is not asked, or an answer that is not taken."""

    status = 422


class FetchFailed(AtriumError):
    """The other side did not answer, or not in time."""

    status = 502


@dataclass(frozen=True)
class Bounds:
    """Of one answer. ``bytes`` counts after decompression, ``wire_bytes`` what travels."""

    seconds: float = 60.0
    bytes: int = 256 * 2**20
    wire_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Answer:
    """What was fetched: everything but the body, which is in the file that was handed in."""

    url: str
    status: int
    headers: httpx.Headers
    bytes: int
    truncated: bool = False

    @property
    def media_type(self) -> str:
        return str(self.headers.get("content-type", ""))


@dataclass(frozen=True)
class Fetcher:
    """:param allowed: networks and host names that may be asked although they are not public, from the settings."""

    allowed: Iterable[str] = ()
    _networks: tuple[Any, ...] = field(init=False, default=())
    _names: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        networks, names = [], set()
        for entry in self.allowed:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                names.add(entry.lower())
        object.__setattr__(self, "_networks", tuple(networks))
        object.__setattr__(self, "_names", frozenset(names))

    def fetch(
        self,
        url: str,
        into: IO[bytes],
        *,
        bounds: Bounds = Bounds(),
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        truncate: bool = False,
        began: Callable[[int, httpx.Headers], None] | None = None,
    ) -> Answer:
        """Fetch ``url`` (by POST when ``json`` is given) and write its body to ``into``.

        :param truncate: take the first bytes of an answer that is too long, instead of refusing it.
        :param began: told status and headers of the last answer before its body is written; it may raise.
        :raises FetchRefused: the address or the answer is not allowed.
        :raises FetchFailed: there was no answer in time. A status of 400 and above is an answer.
        """
        deadline = time.monotonic() + bounds.seconds
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})}
        for _ in range(MOST_REDIRECTS + 1):
            with self._asked(url, sent, json, deadline) as response:
                onward = _redirect(url, response)
                if onward is None:
                    if began is not None:
                        began(response.status_code, response.headers)
                    size, cut = _read(response, into, bounds, deadline, truncate=truncate)
                    return Answer(url, response.status_code, response.headers, size, cut)
            sent = _without_secrets(sent) if _origin(onward) != _origin(url) else sent
            if json is not None and _origin(onward) != _origin(url):
                raise FetchRefused(f"{_shown(url)} sends what we ask to another host.")
            url = onward
        raise FetchRefused(f"More than {MOST_REDIRECTS} redirects.")

    def check(self, url: str) -> str:
        """The IP address that a connection to ``url`` will go to.

        :raises FetchRefused: the scheme, the port's form or one of the host's addresses is not allowed.
        :raises FetchFailed: the name is unknown.
        """
        host, port = _host(url)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"The host {host} is not known.") from error
        addresses: list[str] = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if host.lower() not in self._names and not self._may_ask(address):
                raise FetchRefused(f"{host} is an address inside a private network, which is not asked.")
        return addresses[0]

    def _may_ask(self, address: str) -> bool:
        found = ipaddress.ip_address(address.partition("%")[0])
        seen = [found]
        if isinstance(found, ipaddress.IPv6Address):
            inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
            if any(found in network for network in _WITH_IPV4_INSIDE):
                inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
            seen += [inner] if inner else []
        if any(one in network for network in self._networks for one in seen if one.version == network.version):
            return True
        return all(one.is_global and not one.is_multicast and not _shared(one) for one in seen)

    @contextmanager
    def _asked(self, url: str, headers: Mapping[str, str], json: Any, deadline: float) -> Iterator[httpx.Response]:
        address = self.check(url)
        host, _ = _host(url)
        left = deadline - time.monotonic()
        if left <= 0:
            raise FetchFailed(f"{_shown(url)} did not answer in time.")
        request = httpx.Request(
            "GET" if json is None else "POST", url, headers=headers, json=json, extensions={"sni_hostname": host}
        )
        # The Host header is already set from the name; only where the connection goes is changed.
        request.url = request.url.copy_with(host=address)
        timeout = httpx.Timeout(min(left, 30.0), connect=min(left, CONNECT_SECONDS))
        request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
        # No pool outlives a request: a connection is never used for another name at the same address.
        with httpx.HTTPTransport(trust_env=False) as transport:
            try:
                response = transport.handle_request(request)
                response.request = request
                try:
                    yield response
                finally:
                    response.close()
            except httpx.HTTPError as error:
                raise FetchFailed(f"{_shown(url)} {_what_went_wrong(error)}.") from error


def _what_went_wrong(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "did not answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"cannot be reached ({error})"  # refused, no way there, or a certificate that proves nothing
    return "broke its answer off"


def _shared(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return isinstance(address, ipaddress.IPv4Address) and address in _CGNAT


def _host(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FetchRefused("This is not an address.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise FetchRefused("Only http and https addresses are fetched.")
    if parts.username is not None or parts.password is not None:
        raise FetchRefused("An address with a name or password in it is not fetched.")
    return host, port or (443 if parts.scheme == "https" else 80)


def _origin(url: str) -> tuple[str, str, int]:
    host, port = _host(url)
    return urlsplit(url).scheme, host.lower(), port


def _shown(url: str) -> str:
    """An address for messages: without its query, where people put keys."""
    return url.partition("?")[0][:200]


def _redirect(url: str, response: httpx.Response) -> str | None:
    if response.status_code not in (301, 302, 303, 307, 308) or "location" not in response.headers:
        return None
    return urljoin(url, response.headers["location"])


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _KEPT_ON_ANOTHER_HOST}


def _read(
    response: httpx.Response, into: IO[bytes], bounds: Bounds, deadline: float, *, truncate: bool
) -> tuple[int, bool]:
    """Bytes written to ``into`` and whether more would have come."""
    told = response.headers.get("content-length", "")
    if told.isdigit() and int(told) > bounds.wire_bytes and not truncate:
        raise FetchRefused(f"The answer has {int(told):,} bytes, more than the {bounds.wire_bytes:,} allowed.")
    size = 0
    for piece in _decoded(response, bounds, deadline, truncate=truncate):
        room = bounds.bytes - size
        into.write(piece[:room])
        size += min(len(piece), room)
        if len(piece) > room:
            if truncate:
                return size, True
            raise FetchRefused(f"The answer is longer than the {bounds.bytes:,} bytes allowed.")
    return size, False


def _decoded(response: httpx.Response, bounds: Bounds, deadline: float, *, truncate: bool) -> Iterator[bytes]:
    """The body in small pieces. gzip is the one encoding we ask for, and a piece of it never grows beyond a chunk."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise FetchRefused(f"The answer is encoded as {encoding[:40]}, which was not asked for.")
    unzip = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
    wire = 0
    assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101
    for raw in response.stream:
        wire += len(raw)
        if wire > bounds.wire_bytes and not truncate:
            raise FetchRefused(f"The answer is longer than the {bounds.wire_bytes:,} bytes allowed.")
        if time.monotonic() > deadline:
            raise FetchFailed(f"The answer took longer than {bounds.seconds:g} s.")
        yield from [raw] if unzip is None else _unzipped(unzip, raw)


def _unzipped(unzip: Any, raw: bytes) -> Iterator[bytes]:
    try:
        piece = unzip.decompress(raw, CHUNK)
        yield piece
        while unzip.unconsumed_tail:
            piece = unzip.decompress(unzip.unconsumed_tail, CHUNK)
            yield piece
    except zlib.error as error:
        raise FetchRefused("The answer says it is gzip, and is not.") from error


def http_address(address: str) -> str:
    """A public object of S3 is read at the bucket's own https address, by the same rules as everything else."""
    parts = urlsplit(address)
    if parts.scheme != "s3":
        return address
    return f"https://{parts.netloc}.s3.amazonaws.com/{quote(parts.path.lstrip('/'), safe='/')}"
