"""The mail server of a drill: it records every e-mail that it accepts, or never greets."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any

from tests.drills.servers import HOST


class MailServer(socketserver.ThreadingTCPServer):
    """`hangs` and `received` may be read and changed by the drill at any time."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Conversation)
        self.hangs = True
        self.ended = threading.Event()
        self.received: list[Message] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def sent_to(self, address: str) -> list[Message]:
        return [message for message in list(self.received) if message["To"] == address]

    def copies(self) -> int:
        """The number of e-mails that were accepted more than once."""
        counts = Counter(str(message["Message-ID"]) for message in list(self.received))
        return sum(number - 1 for number in counts.values())


class _Conversation(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        if self.server.hangs:
            self.server.ended.wait()
            return
        self._reply("220 drill")
        while line := self.rfile.readline():
            command = line.strip().upper()
            if command == b"DATA":
                self._reply("354 go on")
                self._receive()
            elif command == b"QUIT":
                self._reply("221 bye")
                return
            else:
                self._reply("250 ok")

    def _receive(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) and line != b".\r\n":
            lines.append(line)
        self.server.received.append(message_from_bytes(b"".join(lines)))
        self._reply("250 accepted")

    def _reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextlib.contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server that hangs until the drill sets `hangs` to False."""
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
