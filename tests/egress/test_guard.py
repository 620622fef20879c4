"""Every outgoing call passes one guard, and nothing a target does gets past it."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
import subprocess
import zlib

import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.egress.errors import EgressError, EgressRefused, EgressTimeout, TooMuchError
from orchestrator_lite.egress.guard import Call, Egress
from tests.conftest import run
from tests.egress._peer import answering, peer

HERE = ["127.0.0.1"]


def call(url, **options):
    return Call(url=url, **{"headers": {}, "seconds": 5.0, **options})


def names(**table):
    """A resolver by hand; it remembers what it was asked."""
    asked = []

    async def resolve(host, port):
        asked.append(host)
        answers = table[host.replace(".", "_")]
        return answers.pop(0) if isinstance(answers[0], list) else answers

    resolve.asked = asked
    return resolve


def test_a_call_to_an_opened_host_is_made():
    async def body():
        async with peer(answering(201, b"hello", x_made="yes")) as there:
            egress = Egress([f"127.0.0.1:{there.port}"])
            got = await egress.send(
                call(f"{there.url}/a?b=c", method="POST", content=b"{}", headers={"x-one": "1"}, most=100)
            )
            assert (got.status, got.content, got.headers["x-made"]) == (201, b"hello", "yes")
            (came,) = there.received
            assert came.line == "POST /a?b=c HTTP/1.1"
            assert came.body == b"{}"
            assert came.headers["host"] == f"127.0.0.1:{there.port}"
            assert came.headers["x-one"] == "1"
            assert came.headers["user-agent"].startswith("avtomatika-sdk/")
            assert egress.counted.calls == 1

    run(body())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_and_nothing_is_connected(addresses):
    async def body():
        async with peer(answering()) as there:
            egress = Egress(resolver=names(evil_example=addresses))
            with pytest.raises(EgressRefused, match="evil"):
                await egress.send(call(f"http://evil.example:{there.port}/secret-path"))
            assert there.received == []
            assert egress.counted.refused == 1

    run(body())


def test_one_bad_address_among_good_ones_is_enough():
    async def body():
        egress = Egress(resolver=names(mixed_example=["93.184.216.34", "2606:4700::1111", "10.0.0.1"]))
        with pytest.raises(EgressRefused, match="a private address"):
            await egress.send(call("http://mixed.example/"))

    run(body())


def test_the_refusal_does_not_tell_the_address_nor_the_path():
    async def body():
        egress = Egress(resolver=names(inside_example=["10.11.12.13"]))
        with pytest.raises(EgressRefused) as caught:
            await egress.send(call("http://inside.example/token-in-path"))
        assert "10.11" not in str(caught.value)
        assert "token" not in str(caught.value)

    run(body())


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_judged(monkeypatch):
    """The rebinding attack: public for the judge, loopback for the connection."""
    connected = []
    real = socket.getaddrinfo

    def watched(host, *rest, **more):
        connected.append(host)
        return real("127.0.0.1" if host == "93.184.216.34" else host, *rest, **more)

    async def body():
        async with peer(answering(200, b"inside")) as there:
            resolver = names(rebind_example=[["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
            egress = Egress(resolver=resolver)
            opened = []

            async def open_connection(self, protocol_factory, host=None, port=None, **more):
                opened.append((host, port))
                raise OSError("unreachable, says the test")

            monkeypatch.setattr(asyncio.SelectorEventLoop, "create_connection", open_connection)
            with pytest.raises(EgressError, match="no connection"):
                await egress.send(call(f"http://rebind.example:{there.port}/"))
            assert resolver.asked == ["rebind.example"]
            assert opened == [("93.184.216.34", there.port)]
            with pytest.raises(EgressRefused):
                await egress.send(call(f"http://rebind.example:{there.port}/"))
            assert there.received == []

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    run(body())
    assert "rebind.example" not in connected


def test_the_host_that_was_asked_for_is_named_to_the_one_connected_to():
    async def body():
        async with peer(answering()) as there:
            egress = Egress(["shop.example"], resolver=names(shop_example=["127.0.0.1"]))
            await egress.send(call(f"http://Shop.Example.:{there.port}/"))
            assert there.received[0].headers["host"] == f"shop.example:{there.port}"

    run(body())


def test_the_next_address_is_tried_when_one_does_not_answer():
    async def body():
        async with peer(answering(204)) as there:
            egress = Egress(["two.example"], resolver=names(two_example=["::1", "127.0.0.1"]))
            assert (await egress.send(call(f"http://two.example:{there.port}/"))).status == 204

    run(body())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "1",
            ),
            *("-keyout", str(key), "-out", str(cert), "-subj", "/CN=shop.example"),
            *("-addext", "subjectAltName=DNS:shop.example"),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_asks_for_the_name_and_not_for_the_address(certificate, monkeypatch, trusted):
    from orchestrator_lite.egress import _wire

    cert, key = certificate
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(cert, key)
    named = []
    served.sni_callback = lambda _, name, __: named.append(name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    _wire._tls.cache_clear()

    async def body():
        async with peer(answering(200), tls=served) as there:
            egress = Egress(
                ["shop.example", "other.example"],
                resolver=names(shop_example=["127.0.0.1"], other_example=["127.0.0.1"]),
            )
            if trusted:
                assert (await egress.send(call(f"https://shop.example:{there.port}/"))).status == 200
                assert named == ["shop.example"]
            for name in ["other.example"] if trusted else ["shop.example"]:
                with pytest.raises(EgressError, match="certificate is not valid"):
                    await egress.send(call(f"https://{name}:{there.port}/"))

    try:
        run(body())
    finally:
        _wire._tls.cache_clear()


def test_no_proxy_of_the_environment_is_used(monkeypatch):
    async def body():
        async with peer(answering(200)) as there, peer(answering(502)) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            assert (await Egress(HERE).send(call(f"{there.url}/"))).status == 200
            assert proxy.received == []

    run(body())


def test_a_redirect_is_followed_only_when_asked_for():
    async def body():
        async with peer(answering(302, location="/next")) as there:
            got = await Egress(HERE).send(call(f"{there.url}/", most=10))
            assert got.status == 302
            with pytest.raises(EgressError, match="more than 3 redirects"):
                await Egress(HERE).send(call(f"{there.url}/", redirects=3))
            assert len(there.received) == 5

    run(body())


@pytest.mark.parametrize(
    "location", ["http://10.0.0.1/", "//169.254.169.254/latest", "http://2130706433/", "file:///etc/passwd"]
)
def test_a_redirect_passes_the_same_door(location):
    async def body():
        async with peer(answering(307, location=location)) as there:
            with pytest.raises(EgressRefused):
                await Egress([f"127.0.0.1:{there.port}"]).send(call(f"{there.url}/", redirects=5))

    run(body())


@pytest.mark.parametrize("location", ["http://[x", "//[", "http://a]b/", "http://h:99999/"])
def test_a_redirect_to_nowhere_is_an_error_in_a_few_words(location):
    async def body():
        async with peer(answering(307, location=location)) as there:
            with pytest.raises(EgressError, match="URL") as told:
                await Egress([f"127.0.0.1:{there.port}"]).send(call(f"{there.url}/", redirects=5))
            assert location not in str(told.value)

    run(body())


def test_a_redirect_to_a_name_on_loopback_is_refused():
    async def body():
        async with (
            peer(answering(200)) as inside,
            peer(answering(302, location=f"http://in.example:{inside.port}/")) as out,
        ):
            egress = Egress([f"127.0.0.1:{out.port}"], resolver=names(in_example=["127.0.0.1"]))
            with pytest.raises(EgressRefused):
                await egress.send(call(f"{out.url}/", redirects=5))
            assert inside.received == []

    run(body())


@pytest.mark.parametrize(("status", "method", "body_sent"), [(302, "GET", b""), (307, "POST", b"secret")])
def test_credentials_do_not_go_along_to_another_origin(status, method, body_sent):
    async def body():
        async with peer(answering(200)) as other, peer(answering(status, location=f"{other.url}/x")) as there:
            headers = {"authorization": "Bearer s", "cookie": "s", "x-api-key": "s", "accept": "text/plain"}
            await Egress(HERE).send(
                call(f"{there.url}/", method="POST", content=b"secret", headers=headers, redirects=1)
            )
            assert there.received[0].headers["authorization"] == "Bearer s"
            (came,) = other.received
            assert came.line.startswith(method)
            assert came.body == body_sent
            assert came.headers["accept"] == "text/plain"
            assert not {"authorization", "cookie", "x-api-key"} & came.headers.keys()

    run(body())


def test_credentials_stay_with_their_origin():
    async def body():
        async def respond(got, writer):
            await (answering(200) if "/there" in got.line else answering(302, location="/there"))(got, writer)

        async with peer(respond) as there:
            await Egress(HERE).send(call(f"{there.url}/", headers={"authorization": "s"}, redirects=1))
            assert [came.headers["authorization"] for came in there.received] == ["s", "s"]

    run(body())


def test_time_is_bounded_over_all_of_it():
    async def drip(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x-a: b\r\n")
            await writer.drain()
            await SYSTEM_CLOCK.sleep(0.05)

    async def body():
        async with peer(drip) as there:
            began = SYSTEM_CLOCK.monotonic()
            with pytest.raises(EgressTimeout, match=r"0\.4 s"):
                await Egress(HERE).send(call(f"{there.url}/", seconds=0.4))
            assert SYSTEM_CLOCK.monotonic() - began < 3

    run(body())


def test_a_body_is_bounded_on_the_wire():
    async def endless(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    async def body():
        async with peer(endless) as there:
            with pytest.raises(TooMuchError):
                await Egress(HERE).send(call(f"{there.url}/", most=1_000_000))
            assert (await Egress(HERE).send(call(f"{there.url}/"))).status == 200  # not read at all

    run(body())


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_does_not_unfold(encoding):
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(b"\0" * 50_000_000)

    async def body():
        async with peer(answering(200, bomb, content_encoding=encoding)) as there:
            with pytest.raises(TooMuchError):
                await Egress(HERE).send(call(f"{there.url}/", most=1_000_000, most_unfolded=100_000))

    run(body())


def test_packed_answers_are_unpacked_and_broken_ones_told():
    packed = gzip.compress(b"hello" * 1000)

    async def body():
        async with peer(answering(200, packed, content_encoding="gzip")) as there:
            got = await Egress(HERE).send(call(f"{there.url}/", most=10_000))
            assert got.content == b"hello" * 1000
        for sent, said, why in [
            (packed[:-9], "gzip", "broke off"),
            (b"no gzip", "gzip", "packed wrongly"),
            (b"x", "br", "not asked for"),
            (b"x", "gzip, gzip", "not asked for"),
        ]:
            async with peer(answering(200, sent, content_encoding=said)) as there:
                with pytest.raises(EgressError, match=why):
                    await Egress(HERE).send(call(f"{there.url}/", most=10_000))

    run(body())


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", b"\x00" * 99]
)
def test_what_is_no_http_is_an_error_in_a_few_words(reply):
    async def odd(_, writer):
        writer.write(reply)

    async def body():
        async with peer(odd) as there:
            with pytest.raises(EgressError, match="no HTTP, or broke off"):
                await Egress(HERE).send(call(f"{there.url}/", most=100))

    run(body())


def test_interim_answers_without_end_are_left_at_once():
    """The library would pass them over for as long as they come, and keep the loop busy with it."""

    async def flood(_, writer):
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 1000)
            await writer.drain()

    async def body():
        async with peer(flood) as there:
            began = SYSTEM_CLOCK.monotonic()
            with pytest.raises(EgressError, match="no HTTP"):
                await Egress(HERE).send(call(there.url, seconds=30))
            assert SYSTEM_CLOCK.monotonic() - began < 10

    run(body())


def test_a_few_interim_answers_are_passed_over_and_a_long_body_is_no_head():
    async def respond(_, writer):
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000)

    async def body():
        async with peer(respond) as there:
            answer = await Egress(HERE).send(call(there.url, most=100_000))
            assert (answer.status, len(answer.content)) == (200, 100_000)

    run(body())


def test_a_name_that_is_not_there_is_told_and_the_real_resolver_works():
    async def body():
        with pytest.raises(EgressError, match="cannot be resolved"):
            await Egress().send(call("http://does-not-exist.invalid/"))
        async with peer(answering(200)) as there:
            url = f"http://localhost:{there.port}/"
            assert (await Egress(["localhost"]).send(call(url))).status == 200
            with pytest.raises(EgressRefused):
                await Egress(HERE).send(call(url))

    run(body())


def test_the_log_holds_no_url(caplog):
    caplog.set_level(logging.INFO)

    async def body():
        async with peer(answering(200)) as there:
            await Egress(HERE).send(call(f"{there.url}/hook?token=s3cret"))
            with pytest.raises(EgressRefused):
                await Egress().send(call(f"{there.url}/hook?token=s3cret"))

    run(body())
    assert "s3cret" not in caplog.text
    assert "refused" in caplog.text
