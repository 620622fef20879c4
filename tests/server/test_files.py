"""Files of jobs over a real socket: stored whole or not at all, given back as they came."""

from __future__ import annotations

from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import greet


async def held(house: House) -> str:
    """A job that waits, so that its files may come and go."""
    return await house.create("/jobs/greet", hold=True)


def test_a_file_comes_back_as_it_went():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            content = bytes(range(256)) * 4000
            reply = await house.api("PUT", f"/jobs/{job_id}/files/content/in/page 1.pdf", content=content)
            assert reply.status_code == 200, reply.text
            assert reply.json() == {
                "status": "uploaded",
                "s3_uri": f"s3://avtomatika-payloads/jobs/{job_id}/in/page 1.pdf",
                "name": "in/page 1.pdf",
                "size": len(content),
            }
            found = await house.api("GET", f"/jobs/{job_id}/files/download/in%2Fpage%201.pdf")
            assert found.status_code == 302
            got = await house.http.get(found.headers["location"])
            assert got.status_code == 200, got.text
            assert got.content == content
            assert got.headers["content-length"] == str(len(content))
            print(got.headers, found.headers)
            listed = (await house.api("GET", f"/jobs/{job_id}/files")).json()
            print(listed)

    run(body())
