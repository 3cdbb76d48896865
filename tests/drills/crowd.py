"""Many requests within one second, each on a connection of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.drills.servers import HOST
from tests.drills.visitor import CSRF

_READ_BYTES = 65_536


@dataclass(frozen=True)
class Press:
    """One request of one person."""

    session_key: str
    method: str
    path: str

    def as_bytes(self, port: int) -> bytes:
        lines = (
            f"{self.method} {self.path} HTTP/1.1",
            f"Host: {HOST}:{port}",
            f"Cookie: sessionid={self.session_key}; csrftoken={CSRF}",
            f"X-CSRFToken: {CSRF}",
            "Content-Length: 0",
            "Connection: close",
        )
        return "\r\n".join((*lines, "", "")).encode()


@dataclass(frozen=True)
class Response:
    """Status 0 if the connection failed."""

    status: int
    seconds: float


def request_all(port: int, presses: Sequence[Press], *, within_seconds: float) -> list[Response]:
    """Send the requests evenly within this time. Returns the responses in the same order."""

    async def send(number: int, press: Press) -> Response:
        await asyncio.sleep(number * within_seconds / len(presses))
        before = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(press.as_bytes(port))
            status = (await reader.readline()).split()[1:2]
            while await reader.read(_READ_BYTES):
                pass
            writer.close()
        except OSError:
            status = []
        return Response(int(status[0]) if status else 0, time.monotonic() - before)

    async def all_of_them() -> list[Response]:
        return list(await asyncio.gather(*(send(n, press) for n, press in enumerate(presses))))

    return asyncio.run(all_of_them())


def p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[round(0.95 * len(seconds)) - 1]
