"""Outgoing requests: refused addresses, each next to an allowed one."""

import gzip
import io
import socket

import pytest

from hub.dataspace.fetch import Bounds, Fetcher, FetchFailed, FetchRefused
from tests.hub.dataspace.conftest import Reply

LOCAL = Fetcher(["127.0.0.1"])


def get(url, fetcher=LOCAL, **options):
    into = io.BytesIO()
    return fetcher.fetch(url, into, **options), into.getvalue()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "2130706433", "0x7f.1", "127.1", "224.0.0.1", "240.0.0.1",
        "198.18.0.1", "192.0.2.1",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(host):
    with pytest.raises(FetchRefused, match="private network"):
        Fetcher().check(f"http://{host}/latest/meta-data")


def test_public_addresses_are_allowed():
    assert Fetcher().check("http://1.1.1.1/") == "1.1.1.1"
    assert Fetcher().check("https://[2606:4700::1111]/") == "2606:4700::1111"


def test_settings_can_allow_private_addresses():
    assert Fetcher(["10.1.0.0/16"]).check("http://10.1.2.3/") == "10.1.2.3"
    assert Fetcher(["localhost"]).check("http://localhost/") in ("127.0.0.1", "::1")
    with pytest.raises(FetchRefused):
        Fetcher(["10.1.0.0/16"]).check("http://10.2.0.1/")


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "file:///etc/passwd", "gopher://x/", "http://", "http://a:b@1.1.1.1/", "http://[x/"]
)
def test_only_plain_http_addresses(url):
    with pytest.raises(FetchRefused):
        Fetcher().check(url)


def test_a_name_with_one_bad_address_is_refused_and_the_checked_one_is_used(site, monkeypatch):
    port = int(site.url.rpartition(":")[2])
    answers = [["127.0.0.1", "10.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]]

    def resolve(host, port_asked, *rest, **options):
        if host != "rebinding.example":
            return real(host, port_asked, *rest, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port_asked)) for ip in answers.pop(0)]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    site.pages["/"] = Reply(b"hello")
    with pytest.raises(FetchRefused):
        get(f"http://rebinding.example:{port}/")
    # Resolved once: the third answer, which a second look would get, is never asked for.
    assert get(f"http://rebinding.example:{port}/")[1] == b"hello"
    assert answers == [["10.0.0.1"]]
    assert site.requests[-1].headers["Host"] == f"rebinding.example:{port}"


def test_every_redirect_is_checked_again(site):
    site.pages["/there"] = Reply(b"fine")
    site.pages["/ok"] = Reply(status=302, headers={"Location": "/there"})
    site.pages["/bad"] = Reply(status=302, headers={"Location": "http://169.254.169.254/latest"})
    site.pages["/file"] = Reply(status=302, headers={"Location": "file:///etc/passwd"})
    site.pages["/round"] = Reply(status=302, headers={"Location": "/round"})

    assert get(f"{site.url}/ok")[1] == b"fine"
    for path in ("/bad", "/file", "/round"):
        with pytest.raises(FetchRefused):
            get(f"{site.url}{path}")


def test_credentials_stay_with_their_host(site, monkeypatch):
    port = int(site.url.rpartition(":")[2])
    site.pages["/here"] = Reply(status=302, headers={"Location": "/end"})
    site.pages["/away"] = Reply(status=302, headers={"Location": f"http://localhost:{port}/end"})
    site.pages["/end"] = Reply(b"end")
    fetcher = Fetcher(["127.0.0.1", "::1"])
    secret = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "text/turtle"}
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1" if host == "localhost" else host, *a, **k)
    )

    get(f"{site.url}/here", fetcher, headers=secret)
    assert site.requests[-1].headers["Authorization"] == "Bearer x"
    get(f"{site.url}/away", fetcher, headers=secret)
    assert not {"Authorization", "Cookie", "X-Api-Key"} & site.requests[-1].headers.keys()
    assert site.requests[-1].headers["Accept"] == "text/turtle"


def test_a_post_is_redirected_only_within_its_host(site, monkeypatch):
    port = int(site.url.rpartition(":")[2])
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1" if host == "localhost" else host, *a, **k)
    )
    site.pages["/end"] = Reply(b"end")
    site.pages["/here"] = Reply(status=307, headers={"Location": "/end"})
    site.pages["/away"] = Reply(status=307, headers={"Location": f"http://localhost:{port}/end"})
    assert get(f"{site.url}/here", json={"filter": "mine"})[1] == b"end"
    with pytest.raises(FetchRefused, match="another host"):
        get(f"{site.url}/away", json={"filter": "mine"})
    assert [site_request.path for site_request in site.requests] == ["/here", "/end", "/away"]


def test_a_body_beyond_the_bound_is_refused_or_truncated(site):
    site.pages["/"] = Reply(b"x" * 5000)
    with pytest.raises(FetchRefused, match="bytes"):
        get(f"{site.url}/", bounds=Bounds(bytes=1000, wire_bytes=1000))
    answer, body = get(f"{site.url}/", bounds=Bounds(bytes=1000, wire_bytes=1000), truncate=True)
    assert (len(body), answer.truncated) == (1000, True)


def test_a_gzip_bomb_stops_at_the_bound(site):
    bomb = gzip.compress(b"\0" * (200 * 2**20))
    site.pages["/"] = Reply(bomb, headers={"Content-Encoding": "gzip"})
    into = io.BytesIO()
    with pytest.raises(FetchRefused, match="longer than"):
        LOCAL.fetch(f"{site.url}/", into, bounds=Bounds(bytes=2**20))
    assert into.tell() <= 2**20

    site.pages["/"] = Reply(gzip.compress(b"small"), headers={"Content-Encoding": "gzip"})
    assert get(f"{site.url}/")[1] == b"small"
    site.pages["/"] = Reply(b"not gzip", headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchRefused, match="is not"):
        get(f"{site.url}/")


@pytest.mark.parametrize("encoding", ["zstd", "br", "deflate, gzip", "compress"])
def test_encodings_that_were_not_requested_are_refused(site, encoding):
    site.pages["/"] = Reply(b"x", headers={"Content-Encoding": encoding})
    with pytest.raises(FetchRefused, match="encoded"):
        get(f"{site.url}/")
    assert site.requests[-1].headers["Accept-Encoding"] == "gzip"


def test_a_refused_connection_and_an_unknown_host_fail():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(FetchFailed, match=r"cannot be reached .*refused"):
        get(f"http://127.0.0.1:{port}/")
    with pytest.raises(FetchFailed, match="not known"):
        Fetcher().check("http://nobody.invalid/")


def test_a_slow_server_is_left_at_the_bound_of_seconds(site, monkeypatch):
    ticks = iter(range(0, 10_000, 40))
    monkeypatch.setattr("hub.dataspace.fetch.time.monotonic", lambda: next(ticks))
    site.pages["/"] = Reply(b"x" * 1_000_000)
    with pytest.raises(FetchFailed, match="longer than"):
        get(f"{site.url}/", bounds=Bounds(seconds=90))


def test_an_error_does_not_repeat_the_query(site):
    with pytest.raises(FetchFailed) as failure:
        get("http://127.0.0.1:1/path?key=secret")
    assert "secret" not in failure.value.message
