"""The lab's addresses: one block of loopback addresses for each product on the machine."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from checks.lab import addresses
from checks.lab.addresses import take_endpoints

TAKE = "from checks.lab.addresses import take_endpoints; print(take_endpoints({port}).block)"


@pytest.fixture(autouse=True)
def released() -> None:
    for taken in addresses._taken:
        taken.close()
    addresses._taken.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def block_in_another_process(port: int) -> int:
    code = TAKE.format(port=port)
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return int(output.stdout)


def test_block_is_taken_before_the_lab_listens() -> None:
    port = free_port()

    assert take_endpoints(port).block == 0
    assert block_in_another_process(port) == 1


def test_block_of_an_ended_process_is_free() -> None:
    port = free_port()

    assert block_in_another_process(port) == 0
    assert block_in_another_process(port) == 0


def test_block_with_a_listening_lab_is_not_free() -> None:
    """A lab of version 0.1.0, which takes no block."""
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.53.0.1", port))

        assert take_endpoints(port).block == 1


def test_no_block_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LAST_BLOCK", 0)
    port = free_port()
    take_endpoints(port)

    with pytest.raises(OSError, match=r"every lab address from 127\.53\.0\.1"):
        take_endpoints(port)
