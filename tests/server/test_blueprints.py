"""Blueprints that are wrong are refused when they are loaded, with the file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator_lite import Blueprint, BlueprintError, F, Orchestrator
from tests._support.house import serving
from tests.conftest import run
from tests.server import flows
from tests.server.flows import ending, greet, line, nothing

if TYPE_CHECKING:
    from collections.abc import Callable


FLOWS = flows.__file__


def refused(blueprints: Callable[[], list[Blueprint]], *words: str, at: int | None = None) -> None:
    """Serving them raises an error that begins with file and line and says these words.

    `at`: the line of this file; else one of the file that makes the shared blueprints.
    """
    with pytest.raises(BlueprintError) as caught:
        Orchestrator(blueprints())
    text = str(caught.value)
    file, number, _ = text.split(":", 2)
    assert file == (FLOWS if at is None else __file__)
    assert at in {None, int(number)}
    assert "\n" not in text
    for word in words:
        assert word in text


def test_a_blueprint_without_a_start_is_refused_where_it_is_made():
    flow, at = Blueprint("flow", api_endpoint="/jobs/flow"), line()
    refused(lambda: [ending(flow, "finished")], "no start", at=at)


def test_a_go_to_nowhere_is_refused_where_it_stands():
    flow = Blueprint("flow")

    @flow.handler(is_start=True)
    async def start(actions):
        if actions:
            actions.go_to("nowhere")

    refused(lambda: [flow], "'nowhere'", "no handler", at=line() - 2)


def test_a_transition_to_nowhere_is_refused_where_it_stands():
    flow = Blueprint("flow")

    @flow.handler(is_start=True)
    async def start(context):
        context.actions.dispatch_task(
            "greet",
            transitions={
                "success": "finished",
                "odd": "nowhere",
            },
        )

    refused(lambda: [ending(flow, "finished")], "'nowhere'", at=line() - 4)


def test_an_aggregation_into_nowhere_is_refused_where_it_stands():
    flow = Blueprint("flow")

    @flow.handler(is_start=True)
    async def start(actions):
        actions.dispatch_parallel([], aggregate_into="nowhere")

    refused(lambda: [flow], "'nowhere'", at=line() - 2)


def test_transitions_of_aggregators_and_conditional_handlers_are_checked_too():
    for declare in ("aggregator", "conditional"):
        flow = greet(declare)
        decorator = flow.aggregator("gather") if declare == "aggregator" else flow.handler("start", F.job_id == "x")

        @decorator
        async def gather(actions):
            actions.transition_to("nowhere")

        refused(lambda flow=flow: [flow], "'nowhere'", at=line() - 2)


def test_a_second_name_is_refused_with_the_place_of_the_first():
    first, second = greet("one"), greet("one")
    second.api_endpoint = "/jobs/two"
    refused(lambda: [first, second], "'one'", "taken", f"{first.file}:{first.line}")


def test_a_second_endpoint_is_refused_with_the_place_of_the_first():
    first, second = greet("one"), greet("two")
    second.api_endpoint = "/jobs/one"
    refused(lambda: [first, second], "/api/v1/jobs/one", "'one'", f"{first.file}:{first.line}")


def test_the_same_endpoint_in_two_versions_is_served_twice():
    async def body():
        first, second = greet("one"), greet("two")
        first.api_version, second.api_version, second.api_endpoint = "v1", "v2", "/jobs/one"
        async with serving(first, second) as house:
            worker = await house.registered("w1", "greet")
            for version, name in (("v1", "one"), ("v2", "two")):
                reply = await house.http.post(f"/api/{version}/jobs/one", json={}, headers=house.client_headers)
                job = await house.job(reply.json()["job_id"])
                assert job["blueprint_name"] == name
                await worker.task()

    run(body())


@pytest.mark.parametrize(
    "endpoint", ["/jobs/x/cancel", "/jobs/{job_id}", "jobs/x", "/jobs/x/", "", "/jobs/x y", "/jobs//x"]
)
def test_an_endpoint_that_cannot_be_served_is_refused(endpoint):
    flow = greet("one")
    flow.api_endpoint = endpoint
    refused(lambda: [flow], "'one'", endpoint)


@pytest.mark.parametrize("version", ["v 1", "v1/x", "../v1", "{v}"])
def test_an_api_version_that_cannot_be_served_is_refused(version):
    flow = greet("one")
    flow.api_version = version
    refused(lambda: [flow], "'one'", "api_version")


def test_two_handlers_of_a_state_are_refused_at_the_second():
    flow = greet("one")
    with pytest.raises(BlueprintError, match="'start' has a handler already") as caught:

        @flow.handler("start")
        async def again(): ...

    assert str(caught.value).startswith(f"{__file__}:{line() - 3}")


def test_two_aggregators_of_a_state_are_refused_at_the_second():
    flow = greet("one")
    flow.aggregator("gather")(nothing)
    with pytest.raises(BlueprintError, match="'gather' has an aggregator already"):
        flow.aggregator("gather")(nothing)


def test_two_starts_are_refused_at_the_second():
    flow = greet("one")
    with pytest.raises(BlueprintError, match="'start' is the start state already"):
        flow.handler("other", is_start=True)(nothing)


def test_a_final_status_that_is_none_is_refused():
    with pytest.raises(BlueprintError, match="'done' is not one of"):
        Blueprint("one").handler("end", is_end=True, status="done")(nothing)


def test_a_condition_that_cannot_be_read_is_refused_where_it_stands():
    with pytest.raises(BlueprintError) as caught:
        Blueprint("one").handler_for("start").when("context.__class__")
    assert str(caught.value).startswith(f"{__file__}:{line() - 1}")


@pytest.mark.parametrize(
    "text", ["", "1 +", "__import__('os')", "context.x()", "[i for i in context]", "lambda: 1", "other"]
)
def test_a_condition_may_only_compare(text):
    with pytest.raises(BlueprintError):
        Blueprint("one").handler_for("start").when(text)


def test_a_refused_blueprint_leaves_nothing_behind():
    flow = greet("one")
    flow.api_endpoint = "/jobs/x/cancel"
    lite = Orchestrator()
    with pytest.raises(BlueprintError):
        lite.add(flow)
    flow.api_endpoint = "/jobs/one"
    lite.add(flow)


def test_a_blueprint_added_while_the_server_runs_is_served():
    async def body():
        async with serving() as house:
            house.lite.add(greet())
            worker = await house.registered("w1", "greet")
            job_id = await house.create("/jobs/greet")
            await worker.answer(await worker.task())
            await house.ended(job_id)

    run(body())
