"""Run the lab: three name servers, a resolver, a mail host and a directory host, in one loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable

from checks.lab.certificates import host_certificate
from checks.lab.mail_hosts import NAME, Door, ldaps_door, smtp_door
from checks.lab.name_servers import authoritative, listen, resolver
from checks.lab.places import SERVERS, Places
from checks.lab.records import LabError, LabState
from checks.lab.zones import Lab, starting_state

NOTICE_SECONDS = 0.1


class Watched:
    """The lab's state as last read; `refresh` reads the file again when it has changed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.seen = self._mark()
        self.state = lab.load()

    def refresh(self) -> bool:
        mark = self._mark()
        if mark == self.seen:
            return False
        self.seen = mark
        with contextlib.suppress(LabError):  # an unreadable file: go on serving what we had
            self.state = self.lab.load()
        return True

    def _mark(self) -> tuple[int, int] | None:
        try:
            status = self.lab.file.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino


async def serve(lab: Lab, places: Places, started: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM. OSError when an address is taken."""
    watched = Watched(lab)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        doors = await _open_all(watched, places, stack)
        started()
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), NOTICE_SECONDS)
            if watched.refresh():
                await _set_doors(doors, watched.state)


async def _open_all(
    watched: Watched, places: Places, stack: contextlib.AsyncExitStack
) -> dict[str, Door]:
    def state() -> LabState:
        return watched.state

    for number in SERVERS:
        reply = authoritative(number, state, places)
        await listen(places.server(number), places.port, reply, stack)
    await listen(places.resolver, places.port, resolver(state, places), stack)
    tls = _server_tls(watched)
    doors = {
        "smtp": smtp_door(places.smtp_host, places.smtp_port, tls),
        "ldaps": ldaps_door(places.ldaps_host, places.ldaps_port, tls),
    }
    for door in doors.values():
        stack.push_async_callback(door.set, is_open=False)
    await _set_doors(doors, watched.state)
    return doors


async def _set_doors(doors: dict[str, Door], state: LabState) -> None:
    for name, door in doors.items():
        await door.set(is_open=name not in state.closed)


def _server_tls(watched: Watched) -> ssl.SSLContext:
    """One certificate for every host that has an address in the sample zones."""
    names = sorted(
        f"{record.label}.{zone_name}"
        for zone_name, zone in starting_state().zones.items()
        for record in zone.records
        if record.rtype == "A"
    )
    certificate, key = host_certificate(watched.lab.folder / "tls", [NAME, *names])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
