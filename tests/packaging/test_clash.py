"""The official worker owns the import name `avtomatika_worker` too; with both installed nobody gets a mixture."""

from __future__ import annotations

import pytest

REPAIR = "pip uninstall -y avtomatika-worker avtomatika-sdk"
ENTRANCES = {
    "client": ("python", "-c", "import avtomatika_client"),
    "server": ("python", "-c", "import orchestrator_lite"),
    "worker script": ("avtomatika-worker", "--help"),
    "server script": ("orchestrator-lite", "--help"),
}


@pytest.fixture(params=["official first", "official last"])
def both(request, built, official_wheel, venv):
    """An environment with both distributions, in either order."""
    wheels = (official_wheel, built.wheel) if request.param == "official first" else (built.wheel, official_wheel)
    venv.install(*wheels)
    venv.borrow_dependencies()
    return venv


def test_every_entrance_names_the_repair(both):
    for name, (script, *arguments) in ENTRANCES.items():
        run = both.run(*arguments, script=script)
        assert run.returncode != 0, name
        assert REPAIR in run.stderr, f"{name}: {run.stderr}"


def test_our_worker_package_names_the_repair(built, official_wheel, venv):
    venv.install(official_wheel, built.wheel)
    venv.borrow_dependencies()
    assert REPAIR in venv.run("-c", "import avtomatika_worker").stderr


def test_the_repair_repairs(both, built):
    (both.site / "borrowed.pth").unlink()
    both.pip("uninstall", "-y", "avtomatika-worker", "avtomatika-sdk")
    both.install(built.wheel)
    both.borrow_dependencies()
    run = both.run("-c", "import avtomatika_client, avtomatika_worker, orchestrator_lite")
    assert run.returncode == 0, run.stderr


def test_alone_nobody_complains(installed):
    run = installed.run("-c", "import avtomatika_client, avtomatika_worker, orchestrator_lite")
    assert run.returncode == 0, run.stderr
