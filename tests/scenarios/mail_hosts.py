"""Mail hosts on loopback: the client's own, a hosted platform, and the control target."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from checks.lab.certificates import host_certificate
from checks.lab.mail_hosts import LabListener, control_listener, hosted_listener, smtp_listener
from checks.lab.zone_records import HostedLockdown

OWN_NAME = "mail.northwind.test"
OWN_ADDRESS, CONTROL_ADDRESS, HOSTED_ADDRESS = "127.66.0.80", "127.66.0.81", "127.66.0.82"
# The names that Gangway derives for the domain northwind.test of a sample tenant.
HOSTED_NAMES = ("northwind-test.mail.protection.outlook.test", "smtp.google.test")


class MailHosts:
    """The listeners, which run in another thread. Both mail systems are open at first."""

    def __init__(self, port: int, certificate: Path, key: Path, ca_file: Path) -> None:
        self.port, self.ca_file = port, ca_file
        self._hosted = HostedLockdown.OPEN
        self._loop = asyncio.new_event_loop()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        self._own = smtp_listener(OWN_ADDRESS, port, tls)
        self._listeners: tuple[LabListener, ...] = (
            self._own,
            control_listener(CONTROL_ADDRESS, port),
            hosted_listener(HOSTED_ADDRESS, port, tls, lambda: self._hosted),
        )

    @property
    def control(self) -> tuple[str, int]:
        return CONTROL_ADDRESS, self.port

    @property
    def addresses(self) -> dict[str, str]:
        return {OWN_NAME: OWN_ADDRESS, **dict.fromkeys(HOSTED_NAMES, HOSTED_ADDRESS)}

    def open(self) -> None:
        """Accept connections and recipients of every sender."""
        self._hosted = HostedLockdown.OPEN
        self._set(self._own, is_open=True)

    def lock(self) -> None:
        """Admit Mimecast only: the firewall refuses this machine, the platform its recipients."""
        self._hosted = HostedLockdown.LOCKED
        self._set(self._own, is_open=False)

    def _set(self, listener: LabListener, *, is_open: bool) -> None:
        setting = listener.set(is_open=is_open)
        asyncio.run_coroutine_threadsafe(setting, self._loop).result(5)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            for listener in self._listeners:
                self._set(listener, is_open=True)
            yield
            for listener in self._listeners:
                self._set(listener, is_open=False)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()


@contextlib.contextmanager
def on_loopback(folder: Path) -> Iterator[MailHosts]:
    """Serve with one certificate for all names, from an authority in `folder`."""
    certificate, key = host_certificate(folder, [OWN_NAME, *HOSTED_NAMES])
    with socket.create_server((OWN_ADDRESS, 0)) as probe:
        port: int = probe.getsockname()[1]
    hosts = MailHosts(port, certificate, key, folder / "ca.pem")
    with hosts.running():
        yield hosts
