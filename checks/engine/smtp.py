"""SMTP: does the delivery host take mail, and under what TLS? Specified in docs/checks/smtp.md."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from dataclasses import dataclass, replace
from typing import Any

from checks.engine.certificates import TlsFacts, cautions
from checks.engine.hosts import (
    DEFAULT_PORTS,
    Prober,
    Refused,
    Streams,
    Unreached,
    close,
    handshake_twice,
    not_probed,
    reason_of,
    server_name,
    tls_facts,
)
from checks.engine.outcomes import Finding, Kind, Outcome, Verdict

_GREETING_NAME = "probe.invalid"
_MAX_LINES = 50
_MAX_TEXT = 500


@dataclass(frozen=True)
class Reply:
    """An SMTP reply (RFC 5321 section 4.2); code 0 when the other side said nothing of sense."""

    code: int = 0
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.lines)[:_MAX_TEXT]


@dataclass(frozen=True)
class Dialogue:
    """What was said. `tls` is None where STARTTLS was not offered or failed by `tls_error`."""

    greeting: Reply
    ehlo: Reply = Reply()
    offers_starttls: bool = False
    tls: TlsFacts | None = None
    tls_error: str = ""
    # What was said to RCPT TO, or already to MAIL FROM; None where no recipient was to be tried.
    recipient: Reply | None = None

    def as_evidence(self) -> dict[str, Any]:
        asked = {} if self.recipient is None else {"recipient_code": self.recipient.code}
        return asked | {
            "greeting": f"{self.greeting.code or ''} {self.greeting.text}".strip(),
            "ehlo": list(self.ehlo.lines),
            "starttls": self.offers_starttls,
            "tls": self.tls.as_evidence() if self.tls else None,
            "tls_error": self.tls_error,
        }


async def inspect(
    host: str, port: int, vantage_allowed: bool, prober: Prober, *, recipient: str = ""
) -> Outcome:
    """Connect, greet, EHLO, STARTTLS, QUIT; where a recipient is stated, RCPT TO and never DATA."""
    port = port or DEFAULT_PORTS[Kind.SMTP]
    subject = f"{host}:{port}"
    addresses = await prober.locate(host, port)
    if isinstance(addresses, Refused):
        return not_probed(Kind.SMTP, subject, addresses)
    address, seen = await prober.first_reached(
        addresses, lambda each: converse(prober, each, host, port, recipient)
    )
    now = prober.now()
    verdict, findings = judge(
        host, port, seen, vantage_allowed=vantage_allowed, now=now, recipient=recipient
    )
    reached = seen.as_evidence() if isinstance(seen, Dialogue) else {"reason": seen.reason}
    evidence = {"host": host, "port": port, "address": address, "addresses": addresses, **reached}
    known = verdict is not Verdict.UNKNOWN
    return Outcome(Kind.SMTP, subject, verdict, tuple(findings), evidence, unanimous=known)


def judge(
    host: str,
    port: int,
    seen: Dialogue | Unreached,
    *,
    vantage_allowed: bool,
    now: datetime.datetime,
    recipient: str = "",
) -> tuple[Verdict, list[Finding]]:
    """A refusal counts only where Mimecast's own would: from a vantage let in as they are. Pure."""
    refusal = Verdict.FAIL if vantage_allowed else Verdict.UNKNOWN
    if isinstance(seen, Unreached):
        params = {"host": host, "port": port, "reason": seen.reason}
        if vantage_allowed:
            return refusal, [Finding("smtp.unreachable", params)]
        return refusal, [Finding("smtp.unreachable-from-here", params)]
    unwilling = _unwilling(host, port, seen, refusal)
    if unwilling is not None:
        return unwilling
    found = [*_tls_findings(host, seen, now)]
    if seen.recipient is not None and not 200 <= seen.recipient.code < 300:
        params = {
            "recipient": recipient,
            "code": seen.recipient.code,
            "text": seen.recipient.text,
        }
        if seen.recipient.code >= 500:
            return refusal, [Finding("smtp.recipient-refused", params), *found]
        return Verdict.UNKNOWN, [Finding("smtp.recipient-deferred", params), *found]
    return (Verdict.WARN if found else Verdict.PASS), found


def _unwilling(
    host: str, port: int, seen: Dialogue, refusal: Verdict
) -> tuple[Verdict, list[Finding]] | None:
    """A server that answers and will not talk; None when it does talk."""
    greeting = {"code": seen.greeting.code, "text": seen.greeting.text}
    if 400 <= seen.greeting.code < 500:
        # Busy, or greylisting: it says nothing about Mimecast's connections.
        return Verdict.UNKNOWN, [Finding("smtp.greeting-deferred", greeting)]
    if seen.greeting.code >= 500:
        return refusal, [Finding("smtp.greeting-refused", greeting)]
    if seen.greeting.code != 220:
        return refusal, [Finding("smtp.no-greeting", {"host": host, "port": port})]
    if seen.ehlo.code != 250:
        # It greeted and then would not talk: whoever it is there for, it is not for us.
        is_firm = seen.ehlo.code >= 500
        params = {"code": seen.ehlo.code, "text": seen.ehlo.text}
        return refusal if is_firm else Verdict.UNKNOWN, [Finding("smtp.ehlo-refused", params)]
    return None


def _tls_findings(host: str, seen: Dialogue, now: datetime.datetime) -> list[Finding]:
    if not seen.offers_starttls:
        return [Finding("smtp.no-starttls", {"host": host})]
    if seen.tls is None:
        return [Finding("smtp.tls-failed", {"host": host, "reason": seen.tls_error})]
    return list(cautions(seen.tls, host, now))


async def converse(
    prober: Prober, address: str, host: str, port: int, recipient: str
) -> Dialogue | Unreached:
    """One dialogue with one address, over before anything could be sent (RFC 5321 section 3.3)."""
    patience = prober.network.connect_timeout_seconds

    async def converse(context: ssl.SSLContext, distrust: str) -> Dialogue | Unreached:
        streams = await prober.connect(address, port)
        if isinstance(streams, Unreached):
            return streams
        try:
            # Twice: once for the words, once for a TLS handshake that stalls.
            async with asyncio.timeout(2 * patience):
                seen = await _dialogue(streams, host, context, distrust, patience)
            return await _finish(streams, seen, recipient, patience)
        finally:
            close(streams[1])

    try:
        return await handshake_twice(prober.network, converse)
    except TimeoutError:
        return Dialogue(Reply())
    except OSError as error:
        return Unreached(reason_of(error))


async def _dialogue(
    streams: Streams, host: str, context: ssl.SSLContext, distrust: str, patience: float
) -> Dialogue:
    reader, writer = streams
    greeting = await _read_reply(reader)
    if greeting.code != 220:
        return Dialogue(greeting)
    ehlo = await _say(reader, writer, f"EHLO {_GREETING_NAME}")
    offers = any(line.upper().startswith("STARTTLS") for line in ehlo.lines[1:])
    if not offers:
        return Dialogue(greeting, ehlo)
    ready = await _say(reader, writer, "STARTTLS")
    if ready.code != 220:
        return Dialogue(greeting, ehlo, offers, tls_error=f"{ready.code} {ready.text}")
    try:
        await writer.start_tls(
            context, server_hostname=server_name(host), ssl_handshake_timeout=patience
        )
        facts = tls_facts(writer, distrust)
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        return Dialogue(greeting, ehlo, offers, tls_error=_words(error))
    return Dialogue(greeting, ehlo, offers, facts)


async def _finish(streams: Streams, seen: Dialogue, recipient: str, patience: float) -> Dialogue:
    """Try the recipient where one is stated, then take leave. Nothing is ever sent."""
    if seen.greeting.code != 220 or seen.tls_error:
        return seen
    try:
        async with asyncio.timeout(patience):
            if recipient:
                seen = replace(seen, recipient=Reply())
                seen = replace(seen, recipient=await _try_recipient(streams, recipient, seen))
            await _say(*streams, "QUIT")
    except OSError:
        # Cut off or too slow: what was said until then stands (TimeoutError is an OSError).
        return seen
    return seen


async def _try_recipient(streams: Streams, recipient: str, seen: Dialogue) -> Reply:
    if seen.tls is not None:
        # RFC 3207 section 4.2: after STARTTLS everything said before is forgotten.
        await _say(*streams, f"EHLO {_GREETING_NAME}")
    sender = await _say(*streams, "MAIL FROM:<>")
    if not 200 <= sender.code < 300:
        return sender
    return await _say(*streams, f"RCPT TO:<{recipient}>")


def _words(error: Exception) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    return reason or type(error).__name__


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> Reply:
    writer.write(line.encode("ascii") + b"\r\n")
    return await _read_reply(reader)


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    """All lines of one reply; what is not SMTP, too long or cut off has code 0."""
    lines: list[str] = []
    while len(lines) < _MAX_LINES:
        try:
            line = await reader.readline()
        except ValueError:
            return Reply()
        text = line.decode("ascii", errors="replace").replace("\0", "\ufffd").rstrip("\r\n")
        if not text[:3].isdigit() or text[3:4] not in ("", " ", "-"):
            return Reply(0, tuple(lines))
        lines.append(text[4:])
        if text[3:4] != "-":
            return Reply(int(text[:3]), tuple(lines))
    return Reply()
