"""Real TLS and SMTP servers on loopback, with certificates for the test."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@cache
def _key(owner: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def make_certificate(
    host: str,
    *,
    issuer: str = "Test Authority",
    days: tuple[int, int] = (-1, 90),
    authority: bool = False,
) -> x509.Certificate:
    """A certificate for `host`, signed by `issuer`; self-signed if both are equal."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(host))
        .issuer_name(_name(issuer))
        .public_key(_key(host).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(_key(host).public_key()), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(_key(issuer).public_key()),
            critical=False,
        )
    )
    if not authority:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(_key(issuer), hashes.SHA256())


def write_authority(folder: Path) -> Path:
    """The authority's own certificate, which clients trust."""
    path = folder / "authority.pem"
    certificate = make_certificate("Test Authority", authority=True)
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


def server_context(folder: Path, host: str, certificate: x509.Certificate) -> ssl.SSLContext:
    path = folder / "server.pem"
    key = _key(host).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


class MailHost:
    """A scripted SMTP server: it greets, lists `ehlo`, starts TLS and records every command."""

    def __init__(
        self,
        greeting: str,
        ehlo: Sequence[str],
        tls: ssl.SSLContext | None,
        starttls: str,
        envelope: tuple[str, str],
        refuses_ehlo: str = "",
    ) -> None:
        self.replies = dict(zip(("MAIL", "RCPT"), envelope, strict=True))
        self.greeting, self.ehlo, self.tls, self.starttls = greeting, ehlo, tls, starttls
        self.refuses_ehlo = refuses_ehlo
        self.replies |= {"REFUSED": refuses_ehlo, "HELO": "250 mail.example.test"}
        self.commands: list[str] = []
        self.connections = 0
        self.open = 0
        self.max_open = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.max_open = max(self.max_open, self.open)
        try:
            await self._converse(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.greeting:
            writer.write(self.greeting.encode() + b"\r\n")
        while line := (await reader.readline()).decode().strip():
            self.commands.append(line)
            command = line.split()[0].upper()
            if command == "EHLO" and self.refuses_ehlo:
                command = "REFUSED"
            match command:
                case "EHLO":
                    lines = [f"250-{keyword}" for keyword in self.ehlo[:-1]] + [
                        f"250 {self.ehlo[-1]}"
                    ]
                    writer.write("\r\n".join(lines).encode() + b"\r\n")
                case "STARTTLS":
                    writer.write(self.starttls.encode() + b"\r\n")
                    if self.tls is not None:
                        await writer.start_tls(self.tls)
                    elif self.starttls.startswith("220"):
                        return
                case keyword:
                    writer.write(self.replies.get(keyword, "221 bye").encode() + b"\r\n")


@asynccontextmanager
async def mail_host(
    *,
    greeting: str = "220 mail.example.test ESMTP",
    ehlo: Sequence[str] = ("mail.example.test", "SIZE 1000", "STARTTLS"),
    tls: ssl.SSLContext | None = None,
    starttls: str = "220 go ahead",
    envelope: tuple[str, str] = ("250 ok", "250 ok"),
    refuses_ehlo: str = "",
    helo: str = "",
    address: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[MailHost]:
    host = MailHost(greeting, ehlo, tls, starttls, envelope, refuses_ehlo)
    if helo:
        host.replies["HELO"] = helo
    listener = await asyncio.start_server(host.serve, address, port)
    host.port = listener.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        listener.close()


@asynccontextmanager
async def tls_host(
    tls: ssl.SSLContext | None, response: bytes = b"", *, silent: bool = False
) -> AsyncIterator[int]:
    """A TLS listener, or a plain one with another protocol; yields the port.

    A silent one accepts connections and never answers.
    """
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(response)
            await reader.read(100)
            if silent:
                await ended.wait()
        except OSError:
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        ended.set()
        listener.close()
