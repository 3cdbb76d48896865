"""Two vantages: workers in networks of their own, and a directory host behind a firewall.

The firewall drops the packets of one worker's address. Only the vantage whose packets pass can
verify the host. A vantage without permission reports UNKNOWN, never FAIL. Real workers, beat,
PostgreSQL, Redis, NSD and slapd; all packets travel through a router.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from checks.lab.certificates import host_certificate
from tests.drills.servers import HOST, Server, own_postgresql
from tests.interop.processes import free_port, program

pytestmark = pytest.mark.interop

CHECKOUT = Path(__file__).resolve().parent.parent.parent
HOST_NAME, LDAPS = "directory.example.test", 636
OUTSIDE, FIRST, SECOND, FIREWALLED = ("10.213.20", "10.213.21", "10.213.22", "10.213.23")
# The vantage of each worker, and its network.
VANTAGES = {"default": FIRST, "office": SECOND}
WITHIN_SECONDS = 120
_CREATE = """
from checks.models import Check
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant
from onboarding.plan_templates.registry import register_builtin_templates
from tenants.models import Domain, Host, Tenant
register_builtin_templates()
host = Host(name={name!r}, port={port}, purpose="directory")
tenant = Tenant(
    name="Northwind", region="us", platform="microsoft_365", directory_method="ldap",
    is_sample=True,
)
create_tenant(tenant, ProfileEntry([Domain(name="example.test", role="primary")], [host]), by=None)
check = Check.objects.get(tenant=tenant, kind="ldaps")
Check.objects.exclude(pk=check.pk).update(is_active=False)
Check.objects.create(
    tenant=tenant, host=check.host, kind="ldaps", vantage="office", expectation=check.expectation
)
"""


class Networks:
    """A router with a network for this machine, each worker and the host."""

    def __init__(self, number: int) -> None:
        self.router = f"gwvr{number}"
        self.spaces = {net: f"gwv{net[-2:]}{number}" for net in (FIRST, SECOND, FIREWALLED)}
        self.number = number

    def create(self) -> None:
        for name in (self.router, *self.spaces.values()):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        _run("ip", "netns", "exec", self.router, "sh", "-c", forward)
        for network in (OUTSIDE, *self.spaces):
            self._link(network)

    def _link(self, network: str) -> None:
        """`.1` is the router, `.2` the other end."""
        here = f"v{network[-2:]}a{self.number % 10_000}"
        there = f"v{network[-2:]}b{self.number % 10_000}"
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.router)
        space = self.spaces.get(network)
        if space is not None:
            _ip("link", "set", here, "netns", space)
        inside = ("-n", space) if space is not None else ()
        for at, device, address in (
            (("-n", self.router), there, f"{network}.1/30"),
            (inside, here, f"{network}.2/30"),
        ):
            _ip(*at, "addr", "add", address, "dev", device)
            _ip(*at, "link", "set", device, "up")
        if space is not None:
            _ip("-n", space, "route", "add", "default", "via", f"{network}.1")
            # This machine reaches the workers: its servers answer them.
            _ip("route", "add", f"{network}.0/30", "via", f"{OUTSIDE}.1")

    def inside(self, network: str) -> list[str]:
        return ["ip", "netns", "exec", self.spaces[network]]

    def block(self, network: str) -> None:
        """The firewall drops all packets from this network to the host, and no others."""
        _ip("-n", self.router, "rule", "add", *self._rule(network))

    def unblock(self, network: str) -> None:
        _ip("-n", self.router, "rule", "del", *self._rule(network))

    @staticmethod
    def _rule(network: str) -> list[str]:
        return ["from", f"{network}.2/32", "to", f"{FIREWALLED}.2/32", "blackhole"]

    def remove(self) -> None:
        for name in (*self.spaces.values(), self.router):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True)
class Installation:
    """The database of the workers, and their networks."""

    networks: Networks
    database: str

    def verdicts(self, since: float) -> dict[str, str]:
        """The verdict of the newest run of each vantage that started after this Unix time."""
        connection = psycopg2.connect(self.database)
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.vantage, o.verdict FROM checks_check c"
                " JOIN checks_observation o ON o.id = c.latest_id"
                " WHERE c.is_active AND c.checked_at > to_timestamp(%s)",
                [since],
            )
            return dict(cursor.fetchall())

    def wait_for(self, expected: dict[str, str]) -> None:
        began = time.time()
        found: dict[str, str] = {}
        while found != expected:
            assert time.time() < began + WITHIN_SECONDS, found
            time.sleep(0.5)
            found = self.verdicts(began)


@pytest.fixture
def networks() -> Iterator[Networks]:
    program("ip", "iproute2")
    if os.geteuid() != 0:
        pytest.skip("network namespaces require root")
    made = Networks(os.getpid())
    try:
        made.create()
        yield made
    finally:
        made.remove()


def _directory(folder: Path, networks: Networks) -> tuple[Server, Path]:
    """slapd with LDAPS at the address of the firewalled host, and the file of its authority."""
    certificate, key = host_certificate(folder / "tls", [HOST_NAME])
    (folder / "directory").mkdir()
    (folder / "slapd.conf").write_text(
        f"include /etc/ldap/schema/core.schema\npidfile {folder}/slapd.pid\n"
        "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
        f"TLSCACertificateFile {folder}/tls/ca.pem\nTLSCertificateFile {certificate}\n"
        f'TLSCertificateKeyFile {key}\ndatabase mdb\nsuffix "dc=example,dc=test"\n'
        f"directory {folder}/directory\n"
    )
    command = [*networks.inside(FIREWALLED), program("slapd", "slapd"), "-d", "0"]
    command += ["-f", str(folder / "slapd.conf"), "-h", f"ldaps://{FIREWALLED}.2:{LDAPS}/"]
    return Server(command, LDAPS, folder / "slapd.log"), folder / "tls" / "ca.pem"


def _names(folder: Path) -> Server:
    port = free_port(HOST)
    (folder / "example.test.zone").write_text(
        "$ORIGIN example.test.\n@ 300 IN SOA ns.example.test. host.example.test. 1 60 60 60 60\n"
        f"@ IN NS ns\nns IN A {OUTSIDE}.2\ndirectory IN A {FIREWALLED}.2\n"
    )
    (folder / "nsd.conf").write_text(
        f'server:\n  ip-address: 0.0.0.0@{port}\n  username: ""\n  chroot: ""\n'
        f'  zonesdir: "{folder}"\n  pidfile: "{folder}/nsd.pid"\n  xfrdfile: "{folder}/xfrd"\n'
        f'  zonelistfile: "{folder}/zone.list"\n  xfrdir: "{folder}"\n  database: ""\n'
        'remote-control:\n  control-enable: no\nzone:\n  name: "example.test"\n'
        '  zonefile: "example.test.zone"\n'
    )
    command = [program("nsd", "nsd"), "-d", "-c", str(folder / "nsd.conf")]
    return Server(command, port, folder / "nsd.log")


def _redis(folder: Path) -> Server:
    port = free_port(HOST)
    command = [program("redis-server", "redis-server"), "--bind", "0.0.0.0", "--port", str(port)]
    command += ["--protected-mode", "no", "--save", "", "--dir", str(folder)]
    return Server(command, port, folder / "redis.log")


@contextlib.contextmanager
def _started(*servers: Server) -> Iterator[None]:
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            if server.process is not None:
                server.kill()


@contextlib.contextmanager
def _processes(networks: Networks, environment: dict[str, str], folder: Path) -> Iterator[None]:
    """A worker in the network of each vantage, and one beat."""
    celery = [sys.executable, "-m", "celery", "-A", "config"]
    commands = [([*celery, "beat", "--pidfile=", "--schedule", str(folder / "beat")], "off")]
    for vantage, network in VANTAGES.items():
        queues = f"checks.{vantage},interactive.{vantage},windows.{vantage}"
        worker = [*celery, "worker", "-n", f"{vantage}@%h", "-Q", queues, "-c", "2"]
        # Clients open their ports for the addresses of the second vantage alone.
        allowed = "on" if network == SECOND else "off"
        commands.append(([*networks.inside(network), *worker], allowed))
    with open(folder / "celery.log", "wb") as log, contextlib.ExitStack() as stack:
        for command, allowed in commands:
            own = environment | {"CHECKS_VANTAGE_ALLOWED": allowed}
            process = subprocess.Popen(command, cwd=CHECKOUT, env=own, stdout=log, stderr=log)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        yield


@pytest.fixture
def installation(networks: Networks, tmp_path: Path) -> Iterator[Installation]:
    directory, ca_file = _directory(tmp_path, networks)
    redis, names = _redis(tmp_path), _names(tmp_path)
    with own_postgresql(tmp_path, host="0.0.0.0") as postgresql:
        directory.start_without_waiting()
        database = f"postgres://postgres@{OUTSIDE}.2:{postgresql.port}/postgres"
        environment = os.environ | {
            # The settings of the tests run every Celery task in place.
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": f"redis://{OUTSIDE}.2:{redis.port}/0",
            "REDIS_URL": f"redis://{OUTSIDE}.2:{redis.port}/1",
            "CHECKS_NAMESERVERS": f"{OUTSIDE}.2:{names.port}",
            "CHECKS_AUTHORITATIVE_PORT": str(names.port),
            "CHECKS_ALLOWED_NETWORKS": "10.213.0.0/16",
            "CHECKS_EXTRA_CA_FILE": str(ca_file),
            "SECRET_KEY": "of-a-vantage-" * 4,
            "VAR_DIR": str(tmp_path),
            "DEBUG": "off",
        }
        try:
            with _started(redis, names):
                code = _CREATE.format(name=HOST_NAME, port=LDAPS)
                for arguments in (["migrate", "-v", "0"], ["shell", "-v", "0", "-c", code]):
                    command = [sys.executable, "manage.py", *arguments]
                    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True)
                with _processes(networks, environment, tmp_path):
                    yield Installation(networks, database)
        finally:
            directory.kill()


def test_only_the_permitted_vantage_verifies_the_host(installation: Installation) -> None:
    networks = installation.networks
    networks.block(FIRST)
    installation.wait_for({"default": "unknown", "office": "pass"})

    networks.unblock(FIRST)
    networks.block(SECOND)

    # WARN: the host is open to an address outside the permitted ranges.
    # FAIL: the host no longer answers the address for which the client opened it.
    installation.wait_for({"default": "warn", "office": "fail"})
