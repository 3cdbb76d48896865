"""The bar P13: the start of a command, of the whole product, and of a web worker.

A process reads its code from the cache of the file system, as on a machine in use: the first of
several rounds does not count.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.bars import Bar
from tests.config.product import CHECKOUT, Product

ROUNDS, QUICK_ROUNDS = 7, 1
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = "/accounts/login/"
_MOST_SECONDS = 60.0


def _median(measure: Callable[[], float], rounds: int) -> float:
    measure()
    return statistics.median(measure() for _ in range(rounds))


def first_question() -> float:
    """Return the seconds from the start of `probe` to the first query at its resolver."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 0))
        resolver.settimeout(_MOST_SECONDS)
        port = resolver.getsockname()[1]
        command = [sys.executable, "manage.py", "probe", "example.test", "--region", "us"]
        command += ["--nameserver", f"127.0.0.1:{port}", "--only", "mx"]
        began = time.perf_counter()
        with subprocess.Popen(
            command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                resolver.recvfrom(512)
                return time.perf_counter() - began
            finally:
                process.kill()


def second_start(product: Product) -> float:
    """Return the seconds from the start of the product to its welcome. Its data exists."""
    began = time.perf_counter()
    process = product.start()
    product.wait_until_up(process)
    return time.perf_counter() - began


def _stop(product: Product) -> None:
    assert product.process is not None
    product.process.terminate()
    product.process.wait(_MOST_SECONDS)


def first_request(product: Product) -> float:
    """Return the CPU seconds of the web workers for the first page after the start."""
    workers = list(_web_workers(product))
    before = sum(map(_cpu_seconds, workers))
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=_MOST_SECONDS)
    connection.request("GET", PAGE)
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 200, response.status
    return sum(map(_cpu_seconds, workers)) - before


def _web_workers(product: Product) -> Iterator[int]:
    """The children of the web process, which answer the requests."""
    assert product.process is not None
    for child in _children(product.process.pid):
        if "gunicorn" in Path(f"/proc/{child}/cmdline").read_text():
            yield from _children(child)


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(options: argparse.Namespace) -> list[Bar]:
    """`--size` is the number of rounds."""
    rounds = options.size or (QUICK_ROUNDS if options.quick else ROUNDS)
    question = _median(first_question, rounds)
    print(f"probe asks its first question after {question:.2f} s")
    starts, requests = [], []
    with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder:
        product = Product(Path(folder) / "var")
        for number in range(rounds + 1):
            seconds = second_start(product)
            try:
                cpu = first_request(product)
            finally:
                _stop(product)
            print(f"start {number + 1}: {seconds:.1f} s, first page {cpu:.2f} s of CPU")
            # The first start creates the database and the sample tenants.
            if number:
                starts.append(seconds)
                requests.append(cpu)
    return [
        Bar("P13 first question of probe, seconds", question, 0.7),
        Bar("P13 second start of make run, seconds", statistics.median(starts), 3),
        Bar("P13 first request of a web worker, seconds of CPU", statistics.median(requests), 0.3),
    ]
