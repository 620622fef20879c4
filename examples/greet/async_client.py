import asyncio

from avtomatika_client import AsyncClient


async def main():
    async with AsyncClient("http://127.0.0.1:8080", client_token="dev-client-token") as client:
        job = await client.jobs.submit("greet", {"name": "Ada"})
        assert await job.result(timeout=10) == {"message": "Hello, Ada!"}


asyncio.run(main())
