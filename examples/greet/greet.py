# greet.py
from pydantic import BaseModel

from avtomatika_worker import Context, Worker, skill
from orchestrator_lite import Blueprint

greet_flow = Blueprint("greet", api_endpoint="/jobs/greet")        # no api_version: served under /api/v1 and, as the official server does, under /api


@greet_flow.handler(is_start=True)                                  # state name = function name
async def start(initial_data, actions):
    actions.dispatch_task("greet", params={"name": initial_data["name"]},
                          transitions={"success": "finished", "failure": "failed"})


@greet_flow.handler(is_end=True)
async def finished(): ...


@greet_flow.handler(is_end=True)
async def failed(): ...


class GreetIn(BaseModel):
    name: str


class GreetOut(BaseModel):
    message: str


@skill                                                              # name = function name; schemas come from the hints
async def greet(params: GreetIn, ctx: Context) -> GreetOut:
    await ctx.progress(0.5, "half way")
    return GreetOut(message=f"Hello, {params.name}!")


worker = Worker("greeter", skills=[greet])
