"""The lab's addresses: one block of loopback addresses for each product on the machine."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from checks.lab import addresses
from checks.lab.addresses import reserve_endpoints

_RESERVE = (
    "from checks.lab.addresses import reserve_endpoints;"
    " print(reserve_endpoints({port}, {smtp}).block)"
)


@pytest.fixture(autouse=True)
def released() -> None:
    for taken in addresses._taken:
        taken.close()
    addresses._taken.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def smtp_port() -> int:
    """A port of this test alone: a product may run on this machine."""
    return free_port()


def block_in_another_process(port: int, smtp_port: int) -> int:
    code = _RESERVE.format(port=port, smtp=smtp_port)
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return int(output.stdout)


def test_block_is_taken_before_the_lab_listens(port: int, smtp_port: int) -> None:
    assert reserve_endpoints(port, smtp_port).block == 0
    assert block_in_another_process(port, smtp_port) != 0


def test_products_with_other_dns_ports_share_no_block(port: int, smtp_port: int) -> None:
    assert reserve_endpoints(port, smtp_port).block == 0
    assert reserve_endpoints(free_port(), smtp_port).block == 1


def test_block_of_an_ended_process_is_free(port: int, smtp_port: int) -> None:
    first = block_in_another_process(port, smtp_port)

    assert block_in_another_process(port, smtp_port) == first


def test_block_with_a_listening_lab_is_not_free(port: int, smtp_port: int) -> None:
    """A lab of version 0.1.0, which takes no block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.53.0.1", port))

        assert reserve_endpoints(port, smtp_port).block == 1


def test_block_with_a_mail_host_is_not_free(port: int, smtp_port: int) -> None:
    with socket.create_server(("127.53.0.25", smtp_port)):
        assert reserve_endpoints(port, smtp_port).block == 1


def test_no_block_is_left(monkeypatch: pytest.MonkeyPatch, port: int, smtp_port: int) -> None:
    monkeypatch.setattr(addresses, "LAST_BLOCK", 0)
    reserve_endpoints(port, smtp_port)

    with pytest.raises(OSError, match=r"every lab address from 127\.53\.0\.1"):
        reserve_endpoints(port, smtp_port)
