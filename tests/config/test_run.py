"""The whole product in its own processes: it comes up, serves, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.product import START_SECONDS, STOP_SECONDS, Product

pytestmark = pytest.mark.slow


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    product = Product(tmp_path / "var")
    yield product
    if product.process is not None:
        product.process.kill()
        product.process.wait()


def test_it_serves_and_one_ctrl_c_stops_everything(product: Product) -> None:
    process = product.start()
    product.wait_until_up(process)

    with urllib.request.urlopen(f"http://127.0.0.1:{product.port}/health/") as page:
        health = page.read()
    services = len(children_of(process.pid))
    process.send_signal(signal.SIGINT)
    status = process.wait(STOP_SECONDS)

    assert (health, services, status) == (b"ok", 5, 0)
    assert product.processes() == []
    assert f"Gangway is on http://127.0.0.1:{product.port}" in product.said()
    assert product.said().endswith("Stopping.\nStopped.\n")


def test_a_killed_supervisor_takes_everything_along(product: Product) -> None:
    process = product.start()
    product.wait_until_up(process)

    process.kill()
    process.wait(STOP_SECONDS)

    assert product.processes_after(STOP_SECONDS) == []


def test_a_killed_worker_is_named_and_started_again(product: Product) -> None:
    process = product.start()
    product.wait_until_up(process)

    (worker,) = [pid for pid in children_of(process.pid) if "celery -A config worker" in pid[1]]
    os.kill(worker[0], signal.SIGKILL)
    until = time.monotonic() + START_SECONDS
    while "Starting the worker again." not in product.said() and time.monotonic() < until:
        time.sleep(0.1)
    process.terminate()
    status = process.wait(STOP_SECONDS)

    assert "The worker stopped (signal 9)." in product.said()
    assert (status, product.processes()) == (0, [])


def children_of(parent: int) -> list[tuple[int, str]]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [(int(p), Path(f"/proc/{p}/cmdline").read_text().replace("\0", " ")) for p in listed]
