"""What is saved is served, and nothing that was accepted is lost on the way."""

from __future__ import annotations

import threading

import httpx
import pytest

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from tests.dev.conftest import app, until

RELOADED = r"^reloaded in "
HEADERS = {"X-Client-Token": "dev-client-token"}


def greeting(client):
    return client.jobs.submit("greet", {"name": "Ada"}).result(timeout=30)["message"]


def test_a_save_is_served(dev):
    with dev.start().client() as client:
        assert greeting(client) == "Hello, Ada!"
        dev.save(app("Howdy"))  # as long as before, and perhaps within the same second
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"
        dev.save(app("Salve"))
        dev.says(RELOADED, 2)
        assert greeting(client) == "Salve, Ada!"


def test_a_helper_beside_the_file_or_in_a_package_below_is_reloaded(dev):
    (dev.folder / "words").mkdir()
    dev.save("", "words/__init__.py")
    dev.save("SECOND = 'one'\n", "words/deep.py")
    dev.save("FIRST = 'one'\n", "helper.py")
    source = "from helper import FIRST\nfrom words.deep import SECOND\n" + app("{FIRST} {SECOND}")
    dev.save(source)
    with dev.start().client() as client:
        assert greeting(client) == "one one, Ada!"
        dev.save("FIRST = 'two'\n", "helper.py")
        dev.says(RELOADED)
        assert greeting(client) == "two one, Ada!"
        dev.save("SECOND = 'two'\n", "words/deep.py")
        dev.says(RELOADED, 2)
        assert greeting(client) == "two two, Ada!"


def test_a_save_by_renaming_and_a_file_that_is_deleted_and_comes_back(dev):
    with dev.start().client() as client:
        assert greeting(client) == "Hello, Ada!"
        dev.save(app("Howdy"), "app.py.tmp").replace(dev.folder / "app.py")
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"
        (dev.folder / "app.py").unlink()
        dev.says("app.py: no such file")
        assert greeting(client) == "Howdy, Ada!"
        dev.save(app("Salve"))
        dev.says(RELOADED, 2)
        assert greeting(client) == "Salve, Ada!"


def test_a_save_while_the_last_one_is_being_loaded_counts(dev):
    with dev.start().client() as client:
        dev.save("import time\ntime.sleep(3600)\n" + app("Never"))
        until(lambda: len(dev.processes()) > 3, "loading")
        dev.save(app("Howdy"))
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"
        until(lambda: len(dev.processes()) == 3, "the end of what was loading")


def test_many_saves_in_a_row_end_with_the_last(dev):
    with dev.start().client() as client:
        for number in range(12):
            dev.save(app(f"Hello {number}"))
            SYSTEM_CLOCK.sleep_blocking(0.05 * (number % 4))
        dev.says(RELOADED)
        until(lambda: greeting(client) == "Hello 11, Ada!")


def test_every_job_accepted_while_files_are_saved_is_done(dev):
    url = dev.start().url()
    accepted: list[str] = []
    refused: list[str] = []
    done = threading.Event()

    def submit():
        body = {"initial_data": {"name": "Ada"}}
        while not done.is_set():
            try:  # each over a connection of its own, without a second try
                reply = httpx.post(f"{url}/api/v1/jobs/greet", json=body, headers=HEADERS, timeout=30, trust_env=False)
                accepted.append(reply.json()["job_id"]) if reply.status_code == 202 else refused.append(reply.text)
            except httpx.HTTPError as error:
                refused.append(repr(error))
            SYSTEM_CLOCK.sleep_blocking(0.01)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        for number in range(3):
            dev.save(app(f"Hello {number}"))
            dev.says(RELOADED, number + 1)
    finally:
        done.set()
        thread.join()
    assert refused == []
    assert len(accepted) > 20
    with dev.client() as client:
        for job_id in accepted:
            assert client.jobs.handle(job_id).result(timeout=30)["message"].endswith("Ada!")


def test_a_task_that_runs_goes_on_and_its_client_waits_on(dev):
    gate = dev.folder / "gate"
    waiting = f"while not pathlib.Path({str(gate)!r}).exists(): await asyncio.sleep(0.02)"
    dev.save("import asyncio, pathlib\n" + app("Old", before=waiting))
    with dev.start().client() as client:
        job = client.jobs.submit("greet", {"name": "Ada"})
        until(lambda: any(event.event_type == "task_dispatched" for event in job.history()))
        SYSTEM_CLOCK.sleep_blocking(0.1)
        dev.save(app("New"))
        dev.says(RELOADED)
        assert greeting(client) == "New, Ada!"
        threading.Timer(0.3, gate.touch).start()
        assert job.result(timeout=30)["message"] == "Old, Ada!"
        assert job.refresh().status == "finished"


def test_a_worker_with_a_name_of_its_own_takes_over_when_the_old_one_has_ended(dev):
    dev.save(app().replace('Worker("greeter"', 'Worker("greeter", worker_id="only-one"'))
    with dev.start().client() as client:
        assert greeting(client) == "Hello, Ada!"
        dev.save(app("Howdy").replace('Worker("greeter"', 'Worker("greeter", worker_id="only-one"'))
        dev.says(RELOADED)
        assert greeting(client) == "Howdy, Ada!"


@pytest.mark.parametrize("name", ["test_app.py", "notes.txt", ".hidden.py"])
def test_what_is_not_loaded_does_not_reload(dev, name):
    url = dev.start().url()
    server = dev.pid_of("_server_process")
    dev.save("x = 1\n", name)
    dev.save(app("Howdy"), "app.py")
    dev.says(RELOADED)
    assert name not in dev.text
    assert server != dev.pid_of("_server_process")
    assert httpx.get(f"{url}/_public/status", trust_env=False).status_code == 200


def test_the_folder_made_anew_is_found_again(dev):
    with dev.start().client() as client:
        dev.folder.rename(dev.folder.with_name("away"))
        dev.says("no such file")
        dev.folder.with_name("away").rename(dev.folder)
        dev.save(app("Howdy"))
        dev.says(RELOADED)
        until(lambda: greeting(client) == "Howdy, Ada!")
