"""A network of its own for a server of a drill, behind a router that can drop all packets."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence

import pytest

SERVER_ADDRESS = "10.213.2.2"
_CLIENT_SIDE, _ROUTER_TO_CLIENT, _ROUTER_TO_SERVER = "10.213.1.1", "10.213.1.2", "10.213.2.1"


class SeparateNetwork:
    """The server is in one network namespace, the router in another."""

    def __init__(self, number: int) -> None:
        self.router, self.server = f"gwr{number}", f"gws{number}"
        self.near, self.far = f"gwa{number}", f"gwb{number}"
        # Prepended to the command of the server.
        self.prefix = ["ip", "netns", "exec", self.server]

    def create(self) -> None:
        near_end, far_end = f"{self.near}r", f"{self.far}s"
        for name in (self.router, self.server):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip(*_pair(self.near, near_end), "netns", self.router)
        _ip("-n", self.router, *_pair(self.far, far_end), "netns", self.server)
        for namespace, device, address in (
            (None, self.near, _CLIENT_SIDE),
            (self.router, near_end, _ROUTER_TO_CLIENT),
            (self.router, self.far, _ROUTER_TO_SERVER),
            (self.server, far_end, SERVER_ADDRESS),
        ):
            _ip(*_in(namespace), "addr", "add", f"{address}/30", "dev", device)
            _ip(*_in(namespace), "link", "set", device, "up")
        _ip("route", "add", SERVER_ADDRESS, "via", _ROUTER_TO_CLIENT)
        _ip("-n", self.server, "route", "add", "default", "via", _ROUTER_TO_SERVER)
        _run(
            "ip", "netns", "exec", self.router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"
        )

    def remove(self) -> None:
        for name in (self.router, self.server):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def drop_packets(self) -> None:
        """Drop every packet to the server without an answer."""
        _ip("-n", self.router, "route", "add", "blackhole", f"{SERVER_ADDRESS}/32")

    def forward_packets(self) -> None:
        _ip("-n", self.router, "route", "del", "blackhole", f"{SERVER_ADDRESS}/32")


def _pair(one: str, other: str) -> Sequence[str]:
    return ("link", "add", one, "type", "veth", "peer", "name", other)


def _in(namespace: str | None) -> Sequence[str]:
    return () if namespace is None else ("-n", namespace)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def separate_network() -> Iterator[SeparateNetwork]:
    """Requires root and the program `ip`."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces require root")
    network = SeparateNetwork(os.getpid() % 100_000)
    try:
        network.create()
        yield network
    finally:
        network.remove()
