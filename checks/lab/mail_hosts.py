"""The lab's mail host (SMTP with STARTTLS) and directory host (LDAPS with a root entry)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable

from checks.lab.zone_records import HostedLockdown

NAME = "mail.lab.test"
CONTROL_NAME = "control.lab.test"
HOSTED_NAME = "hosted.lab.test"
IDLE_SECONDS = 30
MAX_MESSAGE_BYTES = 65_536

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class LabListener:
    """A listening socket that can be closed and reopened, as by a firewall."""

    def __init__(
        self, address: str, port: int, conversation: Conversation, tls: ssl.SSLContext | None
    ) -> None:
        self.address, self.port, self.conversation, self.tls = address, port, conversation, tls
        self.server: asyncio.Server | None = None

    async def set(self, *, is_open: bool) -> None:
        if is_open and self.server is None:
            self.server = await asyncio.start_server(
                self._connection, self.address, self.port, ssl=self.tls
            )
        elif not is_open and self.server is not None:
            self.server.close()
            self.server = None

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (asyncio.IncompleteReadError, ConnectionError, TimeoutError, ssl.SSLError)
        with contextlib.suppress(*gone):
            await self.conversation(reader, writer)
        writer.close()


def smtp_listener(address: str, port: int, tls: ssl.SSLContext) -> LabListener:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve_smtp(reader, writer, tls)

    return LabListener(address, port, conversation, None)


def control_listener(address: str, port: int) -> LabListener:
    """A mail server that greets everyone. The lockdown check compares a closed port with it."""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve_plain_smtp(reader, writer, CONTROL_NAME, lambda _sender, _recipient: "")

    return LabListener(address, port, conversation, None)


def hosted_listener(
    address: str, port: int, tls: ssl.SSLContext, lockdown: Callable[[], HostedLockdown]
) -> LabListener:
    """The stand-in for a hosted mail platform. `lockdown` returns its present setting."""

    def refusal(sender: str, recipient: str) -> str:
        return hosted_refusal(lockdown(), sender, recipient)

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve_plain_smtp(reader, writer, HOSTED_NAME, refusal, tls)

    return LabListener(address, port, conversation, None)


def hosted_refusal(lockdown: HostedLockdown, sender: str, recipient: str) -> str:
    """Return the reply that rejects the recipient; "" when the platform accepts it.

    The lab's network is outside Mimecast's ranges, so a lockdown rejects every sender here.
    """
    domain = recipient.rpartition("@")[2].lower()
    if lockdown is HostedLockdown.LOCKED:
        return (
            "550 5.7.51 TenantInboundAttribution; There is a partner connector configured that"
            " matched the message's recipient domain"
        )
    is_own = bool(sender) and sender.rpartition("@")[2].lower() == domain
    if lockdown is HostedLockdown.DIRECT_SEND and is_own:
        return "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization"
    return ""


def ldaps_listener(address: str, port: int, tls: ssl.SSLContext) -> LabListener:
    return LabListener(address, port, _serve_ldap, tls)


async def _serve_smtp(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext
) -> None:
    """Greeting, EHLO, STARTTLS and QUIT (RFC 5321, RFC 3207). Mail is not accepted."""
    secure = False
    await _send_line(writer, f"220 {NAME} ESMTP Gangway lab")
    while line := await _line(reader):
        verb = line.split(" ", 1)[0].upper()
        if verb == "STARTTLS" and not secure:
            await _send_line(writer, "220 2.0.0 Ready to start TLS")
            await writer.start_tls(tls)
            secure = True
            continue
        await _send_line(writer, _smtp_reply(verb, secure))
        if verb == "QUIT":
            return


async def _serve_plain_smtp(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    name: str,
    refusal: Callable[[str, str], str],
    tls: ssl.SSLContext | None = None,
) -> None:
    """A server with envelopes (RFC 5321 section 3.3). It accepts recipients, and no message."""
    sender, secure = "", tls is None
    await _send_line(writer, f"220 {name} ESMTP Gangway lab")
    while line := await _line(reader):
        verb = line.split(" ", 1)[0].upper()
        if verb == "STARTTLS" and tls is not None and not secure:
            await _send_line(writer, "220 2.0.0 Ready to start TLS")
            await writer.start_tls(tls)
            secure = True
            continue
        reply = _smtp_reply(verb, secure)
        if verb in ("MAIL", "RCPT"):
            address = line.partition("<")[2].partition(">")[0]
            sender = address if verb == "MAIL" else sender
            reply = "250 2.1.0 OK" if verb == "MAIL" else refusal(sender, address) or "250 2.1.5 OK"
        elif verb == "DATA":
            reply = "554 5.7.0 The lab takes no mail"
        await _send_line(writer, reply.replace(NAME, name))
        if verb == "QUIT":
            return


def _smtp_reply(verb: str, secure: bool) -> str:
    if verb == "EHLO":
        more = [] if secure else ["STARTTLS"]
        words = [f"{NAME} at your service", "SIZE 10485760", *more, "8BITMIME"]
        return "\r\n".join(f"250{' ' if word is words[-1] else '-'}{word}" for word in words)
    replies = {
        "HELO": f"250 {NAME}",
        "NOOP": "250 2.0.0 OK",
        "RSET": "250 2.0.0 OK",
        "QUIT": "221 2.0.0 Bye",
        "MAIL": "250 2.1.0 OK",
        "RCPT": "550 5.7.1 The lab takes no mail",
        "DATA": "503 5.5.1 No valid recipients",
    }
    return replies.get(verb, "502 5.5.2 Command not recognised")


async def _send_line(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(text.encode() + b"\r\n")
    await writer.drain()


async def _line(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(IDLE_SECONDS):
        return (await reader.readline()).decode("ascii", "replace").rstrip("\r\n")


async def _serve_ldap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer an anonymous bind and a search of the root entry (RFC 4511); refuse the rest."""
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            message = await _ber_value(reader)
        id_length = message[1]
        message_id, operation = message[: 2 + id_length], message[2 + id_length]
        if operation not in _LDAP_REPLIES:
            return
        for reply in _LDAP_REPLIES[operation]:
            writer.write(_ber(0x30, message_id + reply))
        await writer.drain()


async def _ber_value(reader: asyncio.StreamReader) -> bytes:
    """The contents of one BER sequence (X.690 section 8.1)."""
    _, length = await reader.readexactly(2)
    if length & 0x80:
        length = int.from_bytes(await reader.readexactly(length & 0x7F), "big")
    if not 4 < length <= MAX_MESSAGE_BYTES:
        raise ConnectionError("not an LDAP message")
    return await reader.readexactly(length)


def _ber(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _ldap_entry(**attributes: str) -> bytes:
    """A SearchResultEntry for the empty name (RFC 4511 section 4.5.2)."""
    described = b"".join(
        _ber(0x30, _ber(0x04, name.encode()) + _ber(0x31, _ber(0x04, value.encode())))
        for name, value in attributes.items()
    )
    return _ber(0x64, _ber(0x04, b"") + _ber(0x30, described))


_SUCCESS = b"\x0a\x01\x00\x04\x00\x04\x00"
_LDAP_REPLIES = {
    0x60: (_ber(0x61, _SUCCESS),),  # bind
    0x63: (  # search
        _ldap_entry(supportedLDAPVersion="3", vendorName="Gangway lab"),
        _ber(0x65, _SUCCESS),
    ),
}
