"""The lab's addresses: a block of loopback addresses, a separate one for each checkout."""

from __future__ import annotations

import errno
import json
import os
import socket
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path

SUFFIX = "test"
SERVERS = (1, 2, 3)
NAME_SERVERS = tuple(f"ns{number}.lab.test" for number in SERVERS)
DATA_BLOCK = "127.53.0."  # the block used in data/zones.yaml
LAST_BLOCK = 9
# The last number of the address that shows that a product has taken the block.
_OWNER = 254


@dataclass(frozen=True)
class LabEndpoints:
    """The addresses and ports of one lab."""

    block: int = 0
    port: int = 15353
    smtp_port: int = 2525
    ldaps_port: int = 6360

    def address(self, last: int) -> str:
        return f"127.53.{self.block}.{last}"

    def server(self, number: int) -> str:
        return self.address(number)

    @property
    def resolver(self) -> str:
        return self.address(10)

    @property
    def smtp_host(self) -> str:
        return self.address(25)

    @property
    def ldaps_host(self) -> str:
        return self.address(36)

    @property
    def control_host(self) -> str:
        """A mail server that greets everyone, as the control target of the lockdown check."""
        return self.address(26)

    @property
    def hosted_host(self) -> str:
        """The stand-in for a hosted mail platform."""
        return self.address(27)

    @property
    def network(self) -> IPv4Network:
        return ip_network(f"127.53.{self.block}.0/24")  # type: ignore[return-value]

    def served(self, value: str) -> str:
        """Map the data file's addresses in a record's value to this lab's block."""
        return value.replace(DATA_BLOCK, f"127.53.{self.block}.") if self.block else value


@dataclass(frozen=True)
class Routing:
    """The engine's route to the lab: names under `suffix` are queried there."""

    suffix: str
    nameservers: tuple[tuple[str, int], ...]
    authoritative_port: int
    allowed_network: IPv4Network
    ports: tuple[int, ...]
    ca_file: Path


def routing(endpoints: LabEndpoints, folder: Path) -> Routing:
    """`folder` is the lab's own folder, var/lab."""
    return Routing(
        suffix=SUFFIX,
        nameservers=((endpoints.resolver, endpoints.port),),
        authoritative_port=endpoints.port,
        allowed_network=endpoints.network,
        ports=(endpoints.smtp_port, endpoints.ldaps_port),
        ca_file=folder / "tls" / "ca.pem",
    )


# One socket for each block that this process has taken. It stays open as long as the process.
_taken: list[socket.socket] = []


def reserve_endpoints(
    port: int = LabEndpoints.port, smtp_port: int = LabEndpoints.smtp_port
) -> LabEndpoints:
    """Reserve the first free block for the life of this process.

    The lab itself listens later, when the database is ready. Until then the block must not seem
    free to another product. Products can differ in their DNS `port`, but their mail hosts listen on
    the same `smtp_port`, which therefore identifies the owner of a block.
    Raises OSError if no block is free, or if this machine has no such addresses.
    """
    for block in range(LAST_BLOCK + 1):
        endpoints = LabEndpoints(block=block, port=port, smtp_port=smtp_port)
        taken = _bound(endpoints.address(_OWNER), smtp_port)
        if taken is not None and _is_free(endpoints):
            _taken.append(taken)
            return endpoints
        if taken is not None:
            taken.close()
    raise OSError(f"every lab address from 127.53.0.1 to 127.53.{LAST_BLOCK}.1 is taken")


def _is_free(endpoints: LabEndpoints) -> bool:
    """Whether no name server and no mail host of another lab listens in the block."""
    probes = (
        _bound(endpoints.server(1), endpoints.port),
        _bound(endpoints.smtp_host, endpoints.smtp_port, socket.SOCK_STREAM),
    )
    for probe in probes:
        if probe is not None:
            probe.close()
    return None not in probes


def _bound(
    address: str, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM
) -> socket.socket | None:
    """Return a socket at the address; None if another process has it."""
    bound = socket.socket(socket.AF_INET, kind)
    if kind is socket.SOCK_STREAM:
        # As a server: a connection that ended a moment ago does not occupy the port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRNOTAVAIL:  # only Linux answers on all of 127.0.0.0/8
            raise
        return None
    return bound


def announce(folder: Path, endpoints: LabEndpoints) -> None:
    """Announce the lab to other processes for as long as this process lives."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "on.new"
    unfinished.write_text(json.dumps({"pid": os.getpid(), **asdict(endpoints)}))
    unfinished.replace(folder / "on")


def withdraw_announcement(folder: Path) -> None:
    (folder / "on").unlink(missing_ok=True)


def current(folder: Path) -> LabEndpoints | None:
    """Return the running lab of this folder; None without one, or after its process ended."""
    try:
        stored = json.loads((folder / "on").read_text())
        os.kill(stored.pop("pid"), 0)
        return LabEndpoints(**stored)
    except (OSError, ValueError, KeyError, TypeError):
        return None
