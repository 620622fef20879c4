"""HTTP over the transport without a network: what the application sees, and what becomes of the caller."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from avtomatika_client._calls._flow import Request
from avtomatika_client.errors import APIConnectionError, APITimeoutError
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite.testing._faults.faults import Faults
from orchestrator_lite.testing._memory.transport import AsgiTransport
from tests.testing._asgi_apps import Held, Recording, get, opened, post, read, respond, virtually


def test_the_application_sees_a_request_as_a_server_presents_it():
    app = Recording()

    async def body(clock):
        async with opened(app, clock) as transport:
            await transport.send(post("/a%20b/%D1%8F?q=%20&x=1#end", headers={"X-Client-Token": "t"}), timeout=5)

    virtually(body)
    (scope,) = app.scopes
    assert (scope["type"], scope["method"], scope["scheme"]) == ("http", "POST", "http")
    assert (scope["path"], scope["raw_path"]) == ("/a b/я", b"/a%20b/%D1%8F")
    assert (scope["query_string"], scope["server"], scope["root_path"]) == (b"q=%20&x=1", ("127.0.0.1", 8080), "")
    assert scope["headers"] == [(b"host", b"127.0.0.1:8080"), (b"x-client-token", b"t"), (b"content-length", b"2")]
    assert app.bodies == [b"{}"]


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://elsewhere:99/x", b"127.0.0.1", "/x"),
        ("http://localhost:99", b"localhost:99", "/"),
        ("http://[::1]:99/x/../y", b"[::1]:99", "/x/../y"),
        ("http://user:secret@127.0.0.1/приве́т", b"127.0.0.1", "/приве́т"),
        ("https://127.0.0.1?a=b", b"127.0.0.1", "/"),
    ],
)
def test_every_url_leads_to_this_machine(url, host, path):
    app = Recording()

    async def body(clock):
        async with opened(app, clock) as transport:
            await transport.send(Request(method="GET", url=url), timeout=5)

    virtually(body)
    (scope,) = app.scopes
    assert (dict(scope["headers"])[b"host"], scope["path"]) == (host, path)
    assert scope["scheme"] == url.partition(":")[0]


def test_a_reply_comes_whole_with_lower_case_names_and_joined_values():
    async def app(scope, receive, send):
        headers = [(b"X-Thing", b"1"), (b"x-thing", b"2")]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": b"he", "more_body": True})
        await send({"type": "http.response.body", "body": b"llo"})

    async def body(clock):
        async with opened(app, clock) as transport:
            whole = await transport.send(get(), timeout=5)
            head = await transport.send(Request(method="HEAD", url="http://127.0.0.1/"), timeout=5)
            return whole, head

    whole, head = virtually(body)
    assert (whole.status, whole.content) == (202, b"hello")
    assert whole.headers == {"x-thing": "1, 2", "transfer-encoding": "chunked"}
    assert (head.content, head.headers) == (b"", {"x-thing": "1, 2"})


@pytest.mark.parametrize("headers", [{"x-token": "se\ncret"}, {"x-token": "secret\u2028"}, {"x\u2028": "secret"}])
def test_a_malformed_header_is_refused_before_it_is_sent_and_not_told(headers):
    app = Recording()

    async def body(clock):
        async with opened(app, clock) as transport:
            with pytest.raises(APIConnectionError, match="malformed") as caught:
                await transport.send(get(headers=headers), timeout=5)
            assert not caught.value.sent
            assert "cret" not in str(caught.value)
            with pytest.raises(APIConnectionError, match="malformed: the URL is not absolute"):
                await transport.send(Request(method="GET", url="/x"), timeout=5)

    virtually(body)
    assert app.scopes == []


def test_a_held_poll_sees_the_disconnect_when_its_callers_deadline_passes_and_ends_by_itself():
    async def body(clock):
        app = Held()
        async with opened(app, clock) as transport:
            with pytest.raises(APITimeoutError, match=r"GET /: no reply within 30\.000 s") as caught:
                await transport.send(get(), timeout=30)
            assert caught.value.sent
            assert clock.elapsed == pytest.approx(30)
        assert app.seen == ["http.disconnect", "end"]

    virtually(body)


def test_no_time_at_all_is_up_before_anything_is_sent():
    app = Recording()

    async def body(clock):
        async with opened(app, clock) as transport:
            with pytest.raises(APITimeoutError) as caught:
                await transport.send(get(), timeout=0)
            assert not caught.value.sent

    virtually(body)
    assert app.scopes == []


def test_a_caller_cancelled_in_mid_commit_leaves_and_the_application_goes_on_to_its_end():
    committed = []

    async def body(clock):
        inside = asyncio.Event()

        async def app(scope, receive, send):
            await read(receive)
            inside.set()
            await clock.sleep(5)
            committed.append("half")
            await clock.sleep(5)
            committed.append("whole")
            await respond(send)

        async with opened(app, clock) as transport:
            call = asyncio.create_task(transport.send(post(), timeout=60))
            await inside.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert committed == []
            await clock.sleep(20)

    virtually(body)
    assert committed == ["half", "whole"]


@pytest.mark.parametrize(("timeout", "seen"), [(30, "http.disconnect"), (None, "released")])
def test_a_cancelled_callers_exchange_runs_on_to_its_deadline(timeout, seen):
    async def body(clock):
        app = Held()
        async with opened(app, clock) as transport:
            call = asyncio.create_task(transport.send(get(), timeout=timeout))
            await app.inside.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            await clock.sleep(29)
            assert app.seen == []
            await clock.sleep(2)
            app.release.set()
            await clock.sleep(1)
        assert app.seen == [seen, "end"]

    virtually(body)


def test_exchanges_go_on_side_by_side():
    async def body(clock):
        async def app(scope, receive, send):
            await clock.sleep(int(scope["path"][1:]))
            await respond(send, body=scope["path"].encode())

        async with opened(app, clock) as transport:
            calls = [transport.send(get(f"/{seconds}"), timeout=500) for seconds in range(200)]
            replies = await asyncio.gather(*calls)
            assert [reply.content for reply in replies] == [b"/%d" % seconds for seconds in range(200)]
            assert clock.elapsed == pytest.approx(199)

    virtually(body)


def test_the_reply_does_not_wait_for_what_the_application_does_after_it():
    async def body(clock):
        app_ended = asyncio.Event()

        async def app(scope, receive, send):
            await read(receive)
            await respond(send)
            assert (await receive())["type"] == "http.disconnect"
            await clock.sleep(5)
            app_ended.set()

        async with opened(app, clock) as transport:
            await transport.send(get(), timeout=60)
            assert not app_ended.is_set()
            await app_ended.wait()

    virtually(body)


def test_an_application_that_raises_answers_500_and_is_logged(caplog):
    async def app(scope, receive, send):
        raise LookupError("deep inside")

    async def body(clock):
        async with opened(app, clock) as transport:
            return await transport.send(get("/x"), timeout=5)

    with caplog.at_level(logging.ERROR):
        reply = virtually(body)
    assert (reply.status, reply.content) == (500, b"Internal Server Error")
    assert "The application failed at GET /x" in caplog.text
    assert "deep inside" in caplog.text


def test_an_application_that_raises_within_its_reply_breaks_the_connection(caplog):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise pytest.fail.Exception("not even an Exception")

    async def body(clock):
        async with opened(app, clock) as transport:
            with pytest.raises(APIConnectionError, match="closed before the reply came") as caught:
                await transport.send(get(), timeout=5)
            assert caught.value.sent

    virtually(body)
    assert "not even an Exception" in caplog.text


@pytest.mark.parametrize("body", [b"too long", b""])
def test_a_reply_is_held_to_its_content_length(body, caplog):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": body})

    async def whole(clock):
        async with opened(app, clock) as transport:
            with pytest.raises(APIConnectionError):
                await transport.send(get(), timeout=5)

    virtually(whole)
    assert "not as long as its Content-Length" in caplog.text


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.body", "body": b""}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nb: c")]}],
        [],
    ],
)
def test_an_application_that_breaks_the_protocol_is_logged_and_answered_for(messages, caplog):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    async def body(clock):
        async with opened(app, clock) as transport:
            return await transport.send(get(), timeout=5)

    assert virtually(body).status == 500
    assert [record.name for record in caplog.records] == ["orchestrator_lite.testing._memory.http"]


def test_closing_with_polls_open_tells_the_callers_and_leaves_nothing_behind():
    async def body(clock):
        app = Held()
        transport = AsgiTransport(app, clock)
        calls = [asyncio.create_task(transport.send(get(), timeout=30)) for _ in range(3)]
        await app.inside.wait()
        await transport.aclose()
        assert sorted(app.seen) == ["end"] * 3 + ["http.disconnect"] * 3
        for call in calls:
            with pytest.raises(APIConnectionError, match="the client was closed before the reply came"):
                await call
        with pytest.raises(APIConnectionError, match="this client is closed") as caught:
            await transport.send(get(), timeout=5)
        assert not caught.value.sent
        await transport.aclose()

    virtually(body)  # it asserts that no task is left


def test_an_application_that_will_not_end_is_cancelled_after_two_seconds():
    async def body(clock):
        ended = []

        async def app(scope, receive, send):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(clock.elapsed)

        transport = AsgiTransport(app, clock)
        call = asyncio.create_task(transport.send(get(), timeout=None))
        await clock.sleep(1)
        await transport.aclose()
        assert ended == [pytest.approx(3)]
        with pytest.raises(APIConnectionError):
            await call

    virtually(body)


def test_giving_up_raises_in_every_waiting_caller_and_hangs_up():
    async def body(clock):
        app = Held()
        async with opened(app, clock) as transport:
            calls = [asyncio.create_task(transport.send(get(), timeout=None)) for _ in range(2)]
            left = asyncio.create_task(transport.send(get(), timeout=None))
            await app.inside.wait()
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
            assert transport.give_up(LookupError("it can never end")) == 2
            assert transport.give_up(LookupError("again")) == 0
            for call in calls:
                with pytest.raises(LookupError, match="it can never end"):
                    await call
            app.release.set()
            await clock.sleep(1)
        assert sorted(app.seen) == ["end", "end", "end", "http.disconnect", "http.disconnect", "released"]

    virtually(body)


def test_a_server_does_not_see_its_callers_context():
    from contextvars import ContextVar

    secret: ContextVar[str] = ContextVar("secret", default="none")

    async def app(scope, receive, send):
        await respond(send, body=secret.get().encode())

    async def body(clock):
        async with opened(app, clock) as transport:
            with contextlib.nullcontext(secret.set("mine")):
                return await transport.send(get(), timeout=5)

    assert virtually(body).content == b"none"


def test_closing_drops_what_has_not_arrived_yet():
    app = Recording()

    async def body(clock):
        faults = Faults()
        transport = AsgiTransport(app, clock, faults=faults)
        faults.delay(3600)
        calls = [asyncio.create_task(transport.send(post(), timeout=None))]
        await clock.sleep(1)
        calls.append(asyncio.create_task(transport.send(post(), timeout=None)))
        await SYSTEM_CLOCK.sleep(0)
        await transport.aclose()
        for call in calls:
            with pytest.raises(APIConnectionError, match="the client was closed"):
                await call
        assert clock.elapsed == pytest.approx(1)

    virtually(body)
    assert app.scopes == []
