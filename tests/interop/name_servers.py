"""BIND with a view for each of its addresses, and Unbound in front of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType

from checks.engine.dns.network import Network
from tests.interop.processes import free_port, on_loopback, program, running

ADDRESSES = ("127.54.0.1", "127.54.0.2", "127.54.0.3")
RESOLVER = "127.54.0.10"
NAMES = "\n".join(f"ns{n} 300 IN A {address}" for n, address in enumerate(ADDRESSES, 1))
# The third is the primary server of the SOA record, so it remains visible without delegation.
HEAD = "@ 3600 IN SOA ns3.lab.test. hostmaster.lab.test. 1 3600 600 86400 60\n"

Zones = Mapping[str, str]  # zone name -> lines of a zone file, below SOA and NS
# A secondary zone whose transfer never succeeded: the server answers SERVFAIL.
NEVER_FETCHED = "(never fetched)"
# The text of a zone with SOA and NS records of its own.
COMPLETE = "; complete\n"


@dataclass(frozen=True)
class LiveNameServers:
    """The servers, and the settings of a vantage that uses only these."""

    port: int
    resolver_port: int

    @property
    def network(self) -> Network:
        return Network(
            nameservers=((RESOLVER, self.resolver_port),),
            authoritative_port=self.port,
            allowed_networks=(ip_network("127.54.0.0/24"),),
            timeouts_seconds=(1.0, 2.5),
        )


@contextlib.contextmanager
def bind_and_unbound(
    folder: Path,
    common_zones: Zones,
    only: Mapping[int, Zones],
    *,
    asked: Sequence[int] = (1, 2, 3),
    through: Sequence[int] = (),
    anchors: Sequence[str] = (),
    stubs: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> Iterator[LiveNameServers]:
    """Each server serves `common_zones`, except for its own versions in `only[number]`.

    An empty text means that the server does not serve the zone. The NS records are the servers in
    `asked`. The resolver queries these, or those in `through`: sometimes it stops when the first
    selected server is lame. With `anchors` (DS records) the resolver validates.
    `stubs` are the servers that the resolver queries for single zones.
    """
    named, unbound = program("named", "bind9"), program("unbound", "unbound")
    port, resolver_port = free_port(ADDRESSES[0]), free_port(RESOLVER)
    zones = {"lab.test": NAMES, **common_zones}
    views = [{**zones, **only.get(number, {})} for number in (1, 2, 3)]
    head = zone_head(asked)
    at = {zone: _addresses(stubs.get(zone, through or asked)) for zone in sorted(zones)}
    (folder / "named.conf").write_text(_named_conf(folder, port, views, head))
    conf = _unbound_conf(folder, resolver_port, port, at, anchors)
    (folder / "unbound.conf").write_text(conf)
    bind = [named, "-g", "-c", str(folder / "named.conf"), "-p", str(port)]
    front = [unbound, "-d", "-c", str(folder / "unbound.conf")]
    with contextlib.ExitStack() as stack:
        for address in ADDRESSES:
            stack.enter_context(on_loopback(address))
        stack.enter_context(running(bind, folder / "named.log", ADDRESSES[2], port))
        stack.enter_context(running(front, folder / "unbound.log", RESOLVER, resolver_port))
        yield LiveNameServers(port, resolver_port)


def _addresses(numbers: Sequence[int]) -> list[str]:
    return [ADDRESSES[number - 1] for number in numbers]


def zone_head(asked: Sequence[int] = (1, 2, 3)) -> str:
    """The SOA and NS records of every zone."""
    return HEAD + "".join(f"@ 3600 IN NS ns{number}.lab.test.\n" for number in asked)


def _named_conf(folder: Path, port: int, views: list[dict[str, str]], head: str) -> str:
    addresses = "".join(f"{address}; " for address in ADDRESSES)
    parts = [
        f'options {{ directory "{folder}"; listen-on port {port} {{ {addresses}}};'
        " listen-on-v6 { none; }; recursion no; dnssec-validation no;"
        f' pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key"; }};',
        "controls { };",
    ]
    for address, zones in zip(ADDRESSES, views, strict=True):
        view = f"at-{address}"
        served = "".join(
            _zone(folder, view, name, text, head) for name, text in zones.items() if text
        )
        parts.append(f'view "{view}" {{ match-destinations {{ {address}; }}; {served} }};')
    return "\n".join(parts)


def _zone(folder: Path, view: str, name: str, text: str, head: str) -> str:
    file = folder / f"{view}.{name}.zone"
    if text == NEVER_FETCHED:
        return f'zone "{name}" {{ type secondary; primaries {{ 127.0.0.1 port 1; }}; }};'
    file.write_text(text if text.startswith(COMPLETE) else f"$ORIGIN {name}.\n{head}{text}\n")
    return f'zone "{name}" {{ type primary; file "{file}"; }};'


def _unbound_conf(
    folder: Path,
    port: int,
    bind_port: int,
    asked: Mapping[str, Sequence[str]],
    anchors: Sequence[str],
) -> str:
    modules = "validator iterator" if anchors else "iterator"
    trusted = "".join(f'  trust-anchor: "{anchor}"\n' for anchor in anchors)
    stubs = "".join(
        f'stub-zone:\n  name: "{name}"\n'
        + "".join(f"  stub-addr: {address}@{bind_port}\n" for address in addresses)
        for name, addresses in asked.items()
    )
    return (
        f'server:\n  interface: {RESOLVER}@{port}\n  username: ""\n  chroot: ""\n'
        f'  directory: "{folder}"\n  pidfile: "{folder}/unbound.pid"\n  use-syslog: no\n'
        f'  do-not-query-localhost: no\n  module-config: "{modules}"\n{trusted}'
        "  access-control: 127.0.0.0/8 allow\n"
        f'  local-zone: "test." nodefault\n  do-ip6: no\n{stubs}'
        "remote-control:\n  control-enable: no\n"
    )
