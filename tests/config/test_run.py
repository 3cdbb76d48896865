"""The whole product in its own processes: it comes up, serves, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60
STOP_SECONDS = 15


class Product:
    """One run on its own data folder and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder.parent / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        kept = ("PATH", "HOME", "LANG")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.run", "--port", str(self.port)],
                cwd=CHECKOUT,
                env={**environment, "VAR_DIR": str(self.folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def said(self) -> str:
        return self.output.read_text()

    def wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while "Ctrl-C stops everything" not in self.said():
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"the product did not come up:\n{self.said()}")
            time.sleep(0.1)

    def processes(self) -> list[str]:
        """Every process of this run: they inherit its data folder; the broker is called with it."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and self._owns(entry):
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it ended while we looked
        return found

    def _owns(self, entry: Path) -> bool:
        inherits = f"VAR_DIR={self.folder}\0".encode() in (entry / "environ").read_bytes()
        return inherits or f"{self.folder}/broker/" in (entry / "cmdline").read_text()

    def processes_after(self, seconds: float) -> list[str]:
        until = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.1)
        return left


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    product = Product(tmp_path / "var")
    yield product
    if product.process is not None:
        product.process.kill()
        product.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
