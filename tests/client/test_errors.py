"""Errors are plain data: they pickle, copy, and read well; every envelope is understood."""

from __future__ import annotations

import copy
import inspect
import json
import pickle

import pytest
from hypothesis import given, strategies as st

from avtomatika_client import errors
from avtomatika_client._calls._envelope import Envelope, path_of, read_envelope, read_error
from avtomatika_client._calls._flow import Reply, Request
from avtomatika_client.errors import APIConnectionError, APIStatusError, AvtomatikaError, JobFailed, WaitTimeout

CLASSES = [getattr(errors, name) for name in errors.__all__]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.none() | st.text()
NUMBER = st.none() | st.floats(allow_nan=False)
ERRORS = st.one_of(
    st.builds(
        APIStatusError,
        TEXT,
        status=st.integers(300, 599),
        code=TEXT,
        details=JSON,
        request_id=TEXT,
        retry_after=NUMBER,
        method=TEXT,
        path=TEXT,
        attempts=st.integers(1, 9),
    ),
    st.builds(APIConnectionError, TEXT, sent=st.booleans(), method=TEXT, path=TEXT, status=st.none() | st.integers()),
    st.builds(JobFailed, TEXT, job_id=TEXT, status=st.text(), end_state=TEXT, error=JSON),
    st.builds(WaitTimeout, TEXT, job_id=TEXT, status=TEXT, timeout=NUMBER),
    st.builds(AvtomatikaError, JSON, JSON),
)


@given(ERRORS)
def test_errors_pickle_and_copy(error):
    error.add_note("kept")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (twin.args, twin.__dict__, str(twin)) == (error.args, error.__dict__, str(error))


def test_an_error_with_a_constructor_of_its_own_pickles_too():
    twin = pickle.loads(pickle.dumps(OddError(1, two=2)))
    assert (str(twin), twin.two) == ("1", 2)


class OddError(AvtomatikaError):
    """Takes what it likes."""

    def __init__(self, one: int, *, two: int) -> None:
        super().__init__(one)
        self.two = two


@pytest.mark.parametrize("error", CLASSES)
def test_the_docstring_is_the_default_message(error):
    made = error(status=418) if issubclass(error, APIStatusError) else error()
    assert made.message == inspect.getdoc(error).splitlines()[0]
    assert isinstance(made, AvtomatikaError)


def test_the_tree_in_the_docstring_is_the_tree():
    above = [AvtomatikaError]
    for line in errors.__doc__.splitlines():
        branch, _, rest = line.partition("── ")
        if rest:
            error = getattr(errors, rest.split()[0])
            depth = len(branch) // 4
            assert error.__bases__ == (above[depth - 1],)
            above[depth:] = [error]
    drawn = {line.partition("── ")[2].split()[0] for line in errors.__doc__.splitlines() if "── " in line}
    assert {*drawn, "AvtomatikaError"} == set(errors.__all__)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": "Job not found"}, Envelope("Job not found")),
        ({"error": {"code": "no_flow", "message": "gone", "details": [1]}}, Envelope("gone", "no_flow", [1])),
        ({"detail": "Not authenticated"}, Envelope("Not authenticated")),
        ({"detail": {"message": "not ready", "code": 7}}, Envelope("not ready", "7")),
        (
            {"detail": [{"loc": ["body", "x"], "msg": "field required"}]},
            Envelope("body.x: field required", None, [{"loc": ["body", "x"], "msg": "field required"}]),
        ),
        ({"code": "c", "message": "m", "fieldErrors": {"a": "b"}}, Envelope("m", "c", {"a": "b"})),
        ({"message": "m"}, Envelope("m")),
        ({"title": "Bad Request", "status": 400}, Envelope("Bad Request")),
        ({"error": json.dumps({"error": "Too Many Requests"})}, Envelope("Too Many Requests")),
        ({"error": "{not json"}, Envelope("{not json")),
        ("text", Envelope("text")),
        (None, Envelope()),
        ({}, Envelope()),
        ([], Envelope(None, None, [])),
        ({"error": None}, Envelope()),
    ],
)
def test_every_envelope_is_read(body, expected):
    assert read_envelope(json.dumps(body).encode()) == expected


def test_plain_text_is_shortened():
    assert read_envelope(b"404: Not Found") == Envelope("404: Not Found")
    assert len(read_envelope(b"x" * 100_000).message) == 501
    assert read_envelope(b"") == Envelope()


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.integers(300, 599), st.text(), st.text())
def test_no_reply_breaks_the_reader(body, status, after, date):
    reply = Reply(status=status, headers={"retry-after": after, "date": date}, content=body)
    error = read_error(reply, Request(method="GET", url="http://h/p?token=s3cret"), now=0.0)
    assert (error.status, error.path) == (status, "/p")
    assert "s3cret" not in str(error)


@given(st.recursive(JSON, lambda inner: st.fixed_dictionaries({"detail": inner, "error": inner, "loc": inner})))
def test_no_json_breaks_the_reader(value):
    for body in (value, {"error": value}, {"detail": value}, {"detail": [{"loc": value, "msg": value}]}):
        read_envelope(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("url", "path"),
    [("http://h/a/b?c=d", "/a/b"), ("http://h", "/"), ("http://h:1/", "/"), ("http://h/p#f", "/p")],
)
def test_the_path_of_a_url(url, path):
    assert path_of(url) == path


def test_a_redirect_is_explained():
    reply = Reply(status=307, headers={"location": "http://elsewhere/"}, content=b"")
    assert "redirects are not followed" in str(read_error(reply, Request(method="GET", url="http://h/"), now=0.0))
