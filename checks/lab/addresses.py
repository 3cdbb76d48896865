"""The lab's addresses: a block of loopback addresses, a separate one for each checkout."""

from __future__ import annotations

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


def free_endpoints(port: int = LabEndpoints.port) -> LabEndpoints:
    """Return the first free block. OSError if this machine has no such addresses."""
    for block in range(LAST_BLOCK + 1):
        endpoints = LabEndpoints(block=block, port=port)
        if _is_free(endpoints):
            return endpoints
    raise OSError(f"every lab address from 127.53.0.1 to 127.53.{LAST_BLOCK}.1 is taken")


def _is_free(endpoints: LabEndpoints) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((endpoints.server(1), endpoints.port))
        except OSError as error:
            if error.errno == 99:  # EADDRNOTAVAIL: only Linux answers on all of 127.0.0.0/8
                raise
            return False
    return True


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
