"""`make run`: it starts, serves, restarts its services, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import queues
from tests.config.product import START_SECONDS, STOP_SECONDS, Product

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of data: the first start creates the database, and the others find it."""
    return tmp_path_factory.mktemp("product") / "var"


@pytest.fixture
def product(data: Path) -> Iterator[Product]:
    product = Product(data)
    yield product
    if product.process is not None:
        product.process.kill()
        product.process.wait()


def test_one_ctrl_c_stops_everything(product: Product) -> None:
    process = product.start()
    product.wait_until_up(process)

    with urllib.request.urlopen(f"http://127.0.0.1:{product.port}/health/") as page:
        health = page.read()
    services = len(children_of(process.pid))
    process.send_signal(signal.SIGINT)
    status = process.wait(STOP_SECONDS)

    assert (health, services, status) == (b"ok", 5 + len(queues.WORKERS), 0)
    assert product.processes() == []
    assert f"Gangway is on http://127.0.0.1:{product.port}" in product.printed()
    assert product.printed().endswith("Stopping.\nStopped.\n")


def test_killed_supervisor_leaves_no_process(product: Product) -> None:
    process = product.start()
    product.wait_until_up(process)

    process.kill()
    process.wait(STOP_SECONDS)

    assert product.processes_after(STOP_SECONDS) == []


@pytest.mark.nightly
def test_killed_worker_restarts(product: Product) -> None:
    process = product.start()
    product.wait_until_up(process)

    os.kill(worker_of(process.pid), signal.SIGKILL)
    until = time.monotonic() + START_SECONDS
    while "Starting the checks-worker again." not in product.printed() and time.monotonic() < until:
        time.sleep(0.1)
    process.terminate()
    status = process.wait(STOP_SECONDS)

    assert "The checks-worker stopped (signal 9)." in product.printed()
    assert (status, product.processes()) == (0, [])


def worker_of(parent: int) -> int:
    """The process ID of the worker, which can start after the product is up."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        for pid, command in children_of(parent):
            if "celery -A config worker" in command and "checks.default" in command:
                return pid
        time.sleep(0.1)
    pytest.fail("the worker did not start")


def children_of(parent: int) -> list[tuple[int, str]]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [(int(p), Path(f"/proc/{p}/cmdline").read_text().replace("\0", " ")) for p in listed]
