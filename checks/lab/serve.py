"""Run the lab: name servers, a resolver, mail hosts and a directory host, in one loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable

from checks.lab.addresses import SERVERS, LabEndpoints
from checks.lab.certificates import host_certificate
from checks.lab.mail_hosts import (
    NAME,
    LabListener,
    control_listener,
    hosted_listener,
    ldaps_listener,
    smtp_listener,
)
from checks.lab.name_servers import authoritative, listen, resolver
from checks.lab.zone_records import LabError, LabState
from checks.lab.zones import Lab, starting_state

POLL_SECONDS = 0.1


class StateFile:
    """The lab's state; `refresh` reads the file again after a change."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.seen = self._file_version()
        self.state = lab.load()

    def refresh(self) -> bool:
        version = self._file_version()
        if version == self.seen:
            return False
        self.seen = version
        with contextlib.suppress(LabError):  # an unreadable file: serve the last state
            self.state = self.lab.load()
        return True

    def _file_version(self) -> tuple[int, int] | None:
        try:
            status = self.lab.file.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino


async def serve(lab: Lab, endpoints: LabEndpoints, started: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM. OSError if an address is in use."""
    state_file = StateFile(lab)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        listeners = await _open_all(state_file, endpoints, stack)
        started()
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), POLL_SECONDS)
            if state_file.refresh():
                await _set_listeners(listeners, state_file.state)


async def _open_all(
    state_file: StateFile, endpoints: LabEndpoints, stack: contextlib.AsyncExitStack
) -> dict[str, LabListener]:
    def state() -> LabState:
        return state_file.state

    for number in SERVERS:
        reply = authoritative(number, state, endpoints)
        await listen(endpoints.server(number), endpoints.port, reply, stack)
    await listen(endpoints.resolver, endpoints.port, resolver(state, endpoints), stack)
    tls = _server_tls(state_file)
    listeners = {
        "smtp": smtp_listener(endpoints.smtp_host, endpoints.smtp_port, tls),
        "ldaps": ldaps_listener(endpoints.ldaps_host, endpoints.ldaps_port, tls),
        "hosted": hosted_listener(
            endpoints.hosted_host, endpoints.smtp_port, tls, lambda: state_file.state.hosted
        ),
        "control": control_listener(endpoints.control_host, endpoints.smtp_port),
    }
    for listener in listeners.values():
        stack.push_async_callback(listener.set, is_open=False)
    await _set_listeners(listeners, state_file.state)
    return listeners


async def _set_listeners(listeners: dict[str, LabListener], state: LabState) -> None:
    for name, listener in listeners.items():
        await listener.set(is_open=name not in state.closed)


def _server_tls(state_file: StateFile) -> ssl.SSLContext:
    """One certificate for every host with an address in the sample zones."""
    names = sorted(
        f"{record.label}.{zone_name}"
        for zone_name, zone in starting_state().zones.items()
        for record in zone.records
        if record.rtype == "A"
    )
    certificate, key = host_certificate(state_file.lab.folder / "tls", [NAME, *names])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
