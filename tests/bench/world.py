"""A synthetic internet on loopback: NSD with a zone for each domain.

- Six in ten domains have switched: the region's MX hosts, its include and two of senders, DMARC,
  DKIM.
- Three in ten have not: their own mail host, SPF by `mx`.
- One in ten has nearly no records.

All share two name servers, like the customers of a hosting provider. NSD is the resolver as well.
It knows every zone, so each query costs one exchange.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from checks.engine.batch import CheckRequest
from checks.engine.dns.network import Network
from checks.engine.expected_values import DkimSelector, RegionFacts
from checks.engine.outcomes import CheckKind

RESOLVER, SERVERS = "127.53.0.10", ("127.53.0.1", "127.53.0.2")
KINDS = (CheckKind.SPF, CheckKind.MX, CheckKind.MX_TTL, CheckKind.DMARC, CheckKind.DKIM)
SELECTOR = DkimSelector("mimecast20261101")
REGION = RegionFacts(
    id="bench",
    name="Bench",
    mx=("in-1.mimecast.test", "in-2.mimecast.test"),
    spf_include="bench._netblocks.mimecast.test",
)
_NETWORKS = (
    "195.130.217.0/24 91.220.42.0/24 146.101.78.0/24 207.82.80.0/24 213.167.81.0/25 193.7.207.0/25 "
    "213.167.75.0/25 185.58.85.0/24 185.58.86.0/24 193.7.206.0/25 147.28.36.0/24"
)
_SENDERS = 60
_KEYS = 12
_PATIENCE_SECONDS = 60
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_HEAD = """$TTL 3600
@ IN SOA ns1.host.test. hostmaster.host.test. 1 7200 3600 604800 300
@ IN NS ns1.host.test.
@ IN NS ns2.host.test.
"""


class NotInstalled(Exception):
    """A program of the bench is missing."""


@dataclass(frozen=True)
class World:
    """The served domains, the addresses, and the number of answered queries."""

    domains: tuple[str, ...]
    port: int
    folder: Path

    @property
    def network(self) -> Network:
        return Network(
            nameservers=((RESOLVER, self.port),),
            authoritative_port=self.port,
            allowed_networks=(ip_network("127.53.0.0/24"),),
        )

    @property
    def requests(self) -> list[CheckRequest]:
        return [
            CheckRequest(kind, domain, region=REGION, selectors=(SELECTOR,))
            for domain in self.domains
            for kind in KINDS
        ]

    def answered(self) -> int:
        """Return the number of queries since the start of the server."""
        statistics = subprocess.run(
            [*_nsd_control(), "-c", str(self.folder / "nsd.conf"), "stats_noreset"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return int(
            next(s.split("=")[1] for s in statistics.splitlines() if s.startswith("num.queries="))
        )

    def add_record(self, domain: str, line: str) -> None:
        """Add a record to the zone of the domain, and let the server load the zone."""
        zone = self.folder / f"{domain}.zone"
        zone.write_text(f"{zone.read_text()}{line}\n")
        control = [*_nsd_control(), "-c", str(self.folder / "nsd.conf")]
        subprocess.run([*control, "reload", domain], check=True, capture_output=True)


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise NotInstalled(f"{name} is not installed: apt install nsd")
    return found


def _nsd_control() -> list[str]:
    return [_program("nsd-control")]


@contextlib.contextmanager
def served(folder: Path, count: int) -> Iterator[World]:
    """Serve `count` domains until the block ends."""
    nsd = _program("nsd")
    world = World(tuple(f"d{n:05d}.test" for n in range(count)), _free_port(), folder)
    zones = {**_shared_zones(), **dict(zip(world.domains, _zones(count), strict=True))}
    (folder / "nsd.conf").write_text(_configuration(world, list(zones)))
    for name, text in zones.items():
        (folder / f"{name}.zone").write_text(f"$ORIGIN {name.rstrip('.')}.\n{_HEAD}{text}")
    with open(folder / "nsd.log", "wb") as log:
        command = [nsd, "-d", "-c", str(folder / "nsd.conf")]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(world)
        yield world
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


def _zones(count: int) -> Iterator[str]:
    keys = [_key() for _ in range(_KEYS)]
    for number in range(count):
        senders = [f"s{(number * step) % _SENDERS}.senders.test" for step in (1, 7)]
        includes = " ".join(f"include:{name}" for name in senders)
        if number % 10 < 6:
            mail = "@ 300 IN MX 10 in-1.mimecast.test.\n@ 300 IN MX 10 in-2.mimecast.test.\n"
            spf = f"v=spf1 include:{REGION.spf_include} {includes} -all"
        else:
            mail = f"@ IN MX 10 mail\nmail IN A 203.0.113.{number % 250 + 1}\n"
            spf = f"v=spf1 mx {includes} ~all"
        text = f'{mail}@ IN TXT "{spf}"\n@ IN TXT "verification={number:032x}"\n'
        if number % 10 < 9:
            text += f'_dmarc IN TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@d{number:05d}.test"\n'
            text += f"{SELECTOR.name}._domainkey IN TXT {keys[number % _KEYS]}\n"
        yield text


def _shared_zones() -> dict[str, str]:
    region = " ".join(f"ip4:{network}" for network in _NETWORKS.split())
    senders = "".join(
        f's{n} IN TXT "v=spf1 ip4:198.51.{n}.0/24 ip4:192.0.2.{n} ip6:2001:db8:{n}::/48 ~all"\n'
        for n in range(_SENDERS)
    )
    return {
        # The root too: a refused query costs the peer seconds of retries.
        ".": "",
        "test": "",
        "host.test": "".join(f"ns{n} IN A {address}\n" for n, address in enumerate(SERVERS, 1)),
        "mimecast.test": f'bench._netblocks IN TXT "v=spf1 {region} ~all"\n'
        "in-1 IN A 192.0.2.1\nin-2 IN A 192.0.2.2\n",
        "senders.test": senders,
    }


def _key() -> str:
    """A DKIM record in zone file syntax, in strings of at most 255 bytes."""
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    packed = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(packed).decode()}"
    return " ".join(f'"{record[at : at + 255]}"' for at in range(0, len(record), 255))


def _configuration(world: World, zones: list[str]) -> str:
    folder = world.folder
    interfaces = "".join(f"  ip-address: {a}@{world.port}\n" for a in (*SERVERS, RESOLVER))
    return (
        f'server:\n{interfaces}  username: ""\n  chroot: ""\n  zonesdir: "{folder}"\n'
        f'  pidfile: "{folder}/nsd.pid"\n  xfrdfile: "{folder}/xfrd"\n  database: ""\n'
        f'  zonelistfile: "{folder}/zone.list"\n  xfrdir: "{folder}"\n  server-count: 1\n'
        "  rrl-ratelimit: 0\n"
        f"remote-control:\n  control-enable: yes\n  control-interface: {folder}/control\n"
        + "".join(f'zone:\n  name: "{name}"\n  zonefile: "{name}.zone"\n' for name in zones)
    )


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((RESOLVER, 0))
        return int(probe.getsockname()[1])


def _wait_for(world: World) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.CalledProcessError, StopIteration, OSError):
            world.answered()
            with socket.create_connection((RESOLVER, world.port), timeout=1):
                return
        time.sleep(0.1)
    raise TimeoutError((world.folder / "nsd.log").read_text(errors="replace"))
