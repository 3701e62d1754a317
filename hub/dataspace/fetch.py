"""Fetches addresses that somebody else chose: every request for a catalogue, a preview or a transfer goes through here.

Such an address must not lead to a request to our own machines. So: http and https only; the host's name is
resolved once, every address it has is checked, and the connection goes to the one that was checked; each redirect is a
new address and is checked again; headers for one host are not sent to another; time and bytes are bounded, before
and after decompression.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any
from urllib.parse import quote, urljoin, urlsplit

import httpx2

from hub.errors import AtriumError

MOST_REDIRECTS = 5
CONNECT_SECONDS = 10.0
CHUNK = 64 * 1024
USER_AGENT = "Atrium (data catalogue harvester)"
_HEADERS_FOR_ANY_HOST = {"accept", "accept-encoding", "user-agent", "range", "if-range"}
_CGNAT = ipaddress.ip_network("100.64.0.0/10")
_WITH_IPV4_INSIDE = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""NAT64, and the deprecated IPv4-compatible form of an IPv6 address."""


class FetchRefused(AtriumError):
    """An address that may not be fetched, or an answer that is not accepted."""

    status = 422


class FetchFailed(AtriumError):
    """The server did not answer, or not in time."""

    status = 502


@dataclass(frozen=True)
class Bounds:
    """Limits of one answer. ``bytes`` counts after decompression, ``wire_bytes`` before."""

    seconds: float = 60.0
    bytes: int = 256 * 2**20
    wire_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Answer:
    """An answer without its body, which is in the file that was passed in."""

    url: str
    status: int
    headers: httpx2.Headers
    bytes: int
    truncated: bool = False

    @property
    def media_type(self) -> str:
        return str(self.headers.get("content-type", ""))


@dataclass(frozen=True)
class Fetcher:
    """Fetches addresses.

    :param allowed: networks and host names that may be fetched although they are not public, from the settings.
    :param authority: certificate (PEM) of the one authority that counts; empty: those of the machine.
    """

    allowed: Iterable[str] = ()
    authority: str = ""
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
        began: Callable[[int, httpx2.Headers], None] | None = None,
    ) -> Answer:
        """Fetch ``url`` (by POST when ``json`` is given) and write its body to ``into``.

        :param truncate: accept the first bytes of an answer that is too long, instead of refusing it.
        :param began: called with status and headers of the last answer before its body is written; it may raise.
        :raises FetchRefused: the address or the answer is not allowed.
        :raises FetchFailed: there was no answer in time. A status of 400 and above is an answer.
        """
        deadline = time.monotonic() + bounds.seconds
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})}
        for _ in range(MOST_REDIRECTS + 1):
            with self._response(url, sent, json, deadline) as response:
                onward = _redirect(url, response)
                if onward is None:
                    if began is not None:
                        began(response.status_code, response.headers)
                    size, cut = _read(response, into, bounds, deadline, truncate=truncate)
                    return Answer(url, response.status_code, response.headers, size, cut)
            sent = _without_secrets(sent) if _origin(onward) != _origin(url) else sent
            if json is not None and _origin(onward) != _origin(url):
                raise FetchRefused(f"{_without_query(url)} redirects the request to another host.")
            url = onward
        raise FetchRefused(f"More than {MOST_REDIRECTS} redirects.")

    def check(self, url: str) -> str:
        """The IP address that a connection to ``url`` will go to.

        :raises FetchRefused: the scheme, the port's form or one of the host's addresses is not allowed.
        :raises FetchFailed: the name is unknown.
        """
        host, port = _host(url)
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"The host {host} is not known.") from error
        addresses: list[str] = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        for address in addresses:
            if host.lower() not in self._names and not self._is_allowed(address):
                raise FetchRefused(
                    f"{host} is an address inside a private network, which is not allowed.",
                    hint=f"An admin can allow it: add {host} to dataspace.allowed_hosts in the settings.",
                )
        return addresses[0]

    def _is_allowed(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address.partition("%")[0])
        forms = [parsed]
        if isinstance(parsed, ipaddress.IPv6Address):
            inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
            if any(parsed in network for network in _WITH_IPV4_INSIDE):
                inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
            forms += [inner] if inner else []
        if any(form in network for network in self._networks for form in forms if form.version == network.version):
            return True
        return all(form.is_global and not form.is_multicast and not _is_cgnat(form) for form in forms)

    @contextmanager
    def _response(self, url: str, headers: Mapping[str, str], json: Any, deadline: float) -> Iterator[httpx2.Response]:
        address = self.check(url)
        host, _ = _host(url)
        seconds_left = deadline - time.monotonic()
        if seconds_left <= 0:
            raise FetchFailed(f"{_without_query(url)} did not answer in time.")
        request = httpx2.Request(
            "GET" if json is None else "POST", url, headers=headers, json=json, extensions={"sni_hostname": host}
        )
        # The Host header is set from the name already; only the address of the connection changes.
        request.url = request.url.copy_with(host=address)
        timeout = httpx2.Timeout(min(seconds_left, 30.0), connect=min(seconds_left, CONNECT_SECONDS))
        request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
        # No pool outlives a request: a connection is never used for another name at the same address.
        with httpx2.HTTPTransport(verify=_trusted_authorities(self.authority), trust_env=False) as transport:
            try:
                response = transport.handle_request(request)
                response.request = request
                try:
                    yield response
                finally:
                    response.close()
            except httpx2.HTTPError as error:
                raise FetchFailed(f"{_without_query(url)} {_reason(error)}.") from error


@cache
def _trusted_authorities(authority: str) -> ssl.SSLContext:
    """``authority``, or else the machine's authorities; read once, which takes longer than most requests."""
    if authority:
        return ssl.create_default_context(cadata=authority)
    return httpx2.create_ssl_context(trust_env=False)


def _reason(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "did not answer in time"
    if isinstance(error, httpx2.ConnectError):
        return f"cannot be reached ({error})"  # refused, no route, or a certificate that is not valid
    return "broke off its answer"


def _is_cgnat(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
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


def _without_query(url: str) -> str:
    """An address for messages, without its query, which may contain keys."""
    return url.partition("?")[0][:200]


def _redirect(url: str, response: httpx2.Response) -> str | None:
    if response.status_code not in (301, 302, 303, 307, 308) or "location" not in response.headers:
        return None
    return urljoin(url, response.headers["location"])


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _HEADERS_FOR_ANY_HOST}


def _read(
    response: httpx2.Response, into: IO[bytes], bounds: Bounds, deadline: float, *, truncate: bool
) -> tuple[int, bool]:
    """Number of bytes written to ``into``, and whether the answer is longer."""
    content_length = response.headers.get("content-length", "")
    if content_length.isdigit() and int(content_length) > bounds.wire_bytes and not truncate:
        raise FetchRefused(
            f"The answer has {int(content_length):,} bytes, more than the {bounds.wire_bytes:,} allowed."
        )
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


def _decoded(response: httpx2.Response, bounds: Bounds, deadline: float, *, truncate: bool) -> Iterator[bytes]:
    """The body in small pieces. gzip is the only encoding accepted; it is decompressed in pieces of at most a chunk."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise FetchRefused(f"The answer is encoded as {encoding[:40]}, which was not requested.")
    unzip = _Gzip() if "gzip" in encoding else None
    wire = 0
    assert isinstance(response.stream, httpx2.SyncByteStream)  # noqa: S101
    for raw in response.stream:
        wire += len(raw)
        if wire > bounds.wire_bytes and not truncate:
            raise FetchRefused(f"The answer is longer than the {bounds.wire_bytes:,} bytes allowed.")
        if time.monotonic() > deadline:
            raise FetchFailed(f"The answer took longer than {bounds.seconds:g} s.")
        yield from [raw] if unzip is None else unzip.pieces(raw)
    if unzip is not None and wire:
        yield from unzip.end()


class _Gzip:
    """Unpacks gzip, also of several members, in pieces of at most a chunk."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        while raw:
            if self._member.eof:
                if not raw.startswith(b"\x1f"):
                    return  # padding after the last member
                self._member = zlib.decompressobj(wbits=31)
            yield self._unpacked(raw)
            raw = self._member.unconsumed_tail or self._member.unused_data

    def end(self) -> Iterator[bytes]:
        """What is left to unpack. Raises FetchFailed if the answer ends within a member."""
        while not self._member.eof:
            piece = self._unpacked(b"")
            if not piece:
                raise FetchFailed("The server broke off its answer.")
            yield piece

    def _unpacked(self, raw: bytes) -> bytes:
        try:
            return self._member.decompress(raw, CHUNK)
        except zlib.error as error:
            raise FetchRefused("The answer says it is gzip, and is not.") from error


def http_address(address: str) -> str:
    """The address to fetch: a public object of S3 has an https address in its bucket; others are unchanged."""
    parts = urlsplit(address)
    if parts.scheme != "s3":
        return address
    return f"https://{parts.netloc}.s3.amazonaws.com/{quote(parts.path.lstrip('/'), safe='/')}"
