"""SMTP: does the delivery host take mail, and under what TLS? Specified in docs/checks/smtp.md."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from dataclasses import dataclass, replace
from typing import Any

from checks.engine.hosts.certificates import TlsFacts, cautions
from checks.engine.hosts.prober import (
    DEFAULT_PORTS,
    ConnectionFailure,
    NotProbed,
    Prober,
    Streams,
    abort,
    handshake_with_fallback,
    not_probed_outcome,
    read_tls_facts,
    reason_of,
    server_name,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict

_EHLO_NAME = "probe.invalid"
_MAX_LINES = 50
_MAX_TEXT = 500


@dataclass(frozen=True)
class SmtpReply:
    """An SMTP reply (RFC 5321 section 4.2); code 0 when the other side said nothing of sense."""

    code: int = 0
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.lines)[:_MAX_TEXT]


@dataclass(frozen=True)
class SmtpDialogue:
    """What was said. `tls` is None where STARTTLS was not offered or failed by `tls_error`."""

    greeting: SmtpReply
    ehlo: SmtpReply = SmtpReply()
    offers_starttls: bool = False
    tls: TlsFacts | None = None
    tls_error: str = ""
    # What was said to RCPT TO, or already to MAIL FROM; None where no recipient was to be tried.
    recipient: SmtpReply | None = None

    def as_evidence(self) -> dict[str, Any]:
        recipient_evidence = (
            {} if self.recipient is None else {"recipient_code": self.recipient.code}
        )
        return recipient_evidence | {
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
    port = port or DEFAULT_PORTS[CheckKind.SMTP]
    subject = f"{host}:{port}"
    addresses = await prober.locate(host, port)
    if isinstance(addresses, NotProbed):
        return not_probed_outcome(CheckKind.SMTP, subject, addresses)
    address, dialogue = await prober.connect_first(
        addresses, lambda each: run_dialogue(prober, each, host, port, recipient)
    )
    now = prober.now()
    verdict, findings = judge(
        host, port, dialogue, vantage_allowed=vantage_allowed, now=now, recipient=recipient
    )
    reached = (
        dialogue.as_evidence()
        if isinstance(dialogue, SmtpDialogue)
        else {"reason": dialogue.reason}
    )
    evidence = {"host": host, "port": port, "address": address, "addresses": addresses, **reached}
    is_known = verdict is not Verdict.UNKNOWN
    return Outcome(CheckKind.SMTP, subject, verdict, tuple(findings), evidence, unanimous=is_known)


def judge(
    host: str,
    port: int,
    dialogue: SmtpDialogue | ConnectionFailure,
    *,
    vantage_allowed: bool,
    now: datetime.datetime,
    recipient: str = "",
) -> tuple[Verdict, list[Finding]]:
    """A refusal counts only where Mimecast's own would: from a vantage let in as they are. Pure."""
    refusal = Verdict.FAIL if vantage_allowed else Verdict.UNKNOWN
    if isinstance(dialogue, ConnectionFailure):
        params = {"host": host, "port": port, "reason": dialogue.reason}
        if vantage_allowed:
            return refusal, [Finding("smtp.unreachable", params)]
        return refusal, [Finding("smtp.unreachable-from-here", params)]
    refused = _judge_refusal(host, port, dialogue, refusal)
    if refused is not None:
        return refused
    found = [*_tls_findings(host, dialogue, now)]
    if dialogue.recipient is not None and not 200 <= dialogue.recipient.code < 300:
        params = {
            "recipient": recipient,
            "code": dialogue.recipient.code,
            "text": dialogue.recipient.text,
        }
        if dialogue.recipient.code >= 500:
            return refusal, [Finding("smtp.recipient-refused", params), *found]
        return Verdict.UNKNOWN, [Finding("smtp.recipient-deferred", params), *found]
    return (Verdict.WARN if found else Verdict.PASS), found


def _judge_refusal(
    host: str, port: int, dialogue: SmtpDialogue, refusal: Verdict
) -> tuple[Verdict, list[Finding]] | None:
    """A server that answers and will not talk; None when it does talk."""
    greeting = {"code": dialogue.greeting.code, "text": dialogue.greeting.text}
    if 400 <= dialogue.greeting.code < 500:
        # Busy, or greylisting: it says nothing about Mimecast's connections.
        return Verdict.UNKNOWN, [Finding("smtp.greeting-deferred", greeting)]
    if dialogue.greeting.code >= 500:
        return refusal, [Finding("smtp.greeting-refused", greeting)]
    if dialogue.greeting.code != 220:
        return refusal, [Finding("smtp.no-greeting", {"host": host, "port": port})]
    if dialogue.ehlo.code != 250:
        # It greeted and then would not talk: whoever it is there for, it is not for us.
        is_firm = dialogue.ehlo.code >= 500
        params = {"code": dialogue.ehlo.code, "text": dialogue.ehlo.text}
        return refusal if is_firm else Verdict.UNKNOWN, [Finding("smtp.ehlo-refused", params)]
    return None


def _tls_findings(host: str, dialogue: SmtpDialogue, now: datetime.datetime) -> list[Finding]:
    if not dialogue.offers_starttls:
        return [Finding("smtp.no-starttls", {"host": host})]
    if dialogue.tls is None:
        return [Finding("smtp.tls-failed", {"host": host, "reason": dialogue.tls_error})]
    return list(cautions(dialogue.tls, host, now))


async def run_dialogue(
    prober: Prober, address: str, host: str, port: int, recipient: str
) -> SmtpDialogue | ConnectionFailure:
    """One dialogue with one address, over before anything could be sent (RFC 5321 section 3.3)."""
    timeout_seconds = prober.network.connect_timeout_seconds

    async def run_dialogue(
        context: ssl.SSLContext, distrust: str
    ) -> SmtpDialogue | ConnectionFailure:
        streams = await prober.connect(address, port)
        if isinstance(streams, ConnectionFailure):
            return streams
        try:
            # Twice: once for the words, once for a TLS handshake that stalls.
            async with asyncio.timeout(2 * timeout_seconds):
                dialogue = await _dialogue(streams, host, context, distrust, timeout_seconds)
            return await _finish(streams, dialogue, recipient, timeout_seconds)
        finally:
            abort(streams[1])

    try:
        return await handshake_with_fallback(prober.network, run_dialogue)
    except TimeoutError:
        return SmtpDialogue(SmtpReply())
    except OSError as error:
        return ConnectionFailure(reason_of(error))


async def _dialogue(
    streams: Streams, host: str, context: ssl.SSLContext, distrust: str, timeout_seconds: float
) -> SmtpDialogue:
    reader, writer = streams
    greeting = await _read_reply(reader)
    if greeting.code != 220:
        return SmtpDialogue(greeting)
    ehlo = await _send_command(reader, writer, f"EHLO {_EHLO_NAME}")
    offers = any(line.upper().startswith("STARTTLS") for line in ehlo.lines[1:])
    if not offers:
        return SmtpDialogue(greeting, ehlo)
    ready = await _send_command(reader, writer, "STARTTLS")
    if ready.code != 220:
        return SmtpDialogue(greeting, ehlo, offers, tls_error=f"{ready.code} {ready.text}")
    try:
        await writer.start_tls(
            context, server_hostname=server_name(host), ssl_handshake_timeout=timeout_seconds
        )
        facts = read_tls_facts(writer, distrust)
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        return SmtpDialogue(greeting, ehlo, offers, tls_error=_error_text(error))
    return SmtpDialogue(greeting, ehlo, offers, facts)


async def _finish(
    streams: Streams, dialogue: SmtpDialogue, recipient: str, timeout_seconds: float
) -> SmtpDialogue:
    """Try the recipient where one is stated, then take leave. Nothing is ever sent."""
    if dialogue.greeting.code != 220 or dialogue.tls_error:
        return dialogue
    try:
        async with asyncio.timeout(timeout_seconds):
            if recipient:
                dialogue = replace(dialogue, recipient=SmtpReply())
                dialogue = replace(
                    dialogue, recipient=await _try_recipient(streams, recipient, dialogue)
                )
            await _send_command(*streams, "QUIT")
    except OSError:
        # Cut off or too slow: what was said until then stands (TimeoutError is an OSError).
        return dialogue
    return dialogue


async def _try_recipient(streams: Streams, recipient: str, dialogue: SmtpDialogue) -> SmtpReply:
    if dialogue.tls is not None:
        # RFC 3207 section 4.2: after STARTTLS everything said before is forgotten.
        await _send_command(*streams, f"EHLO {_EHLO_NAME}")
    sender = await _send_command(*streams, "MAIL FROM:<>")
    if not 200 <= sender.code < 300:
        return sender
    return await _send_command(*streams, f"RCPT TO:<{recipient}>")


def _error_text(error: Exception) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    return reason or type(error).__name__


async def _send_command(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str
) -> SmtpReply:
    writer.write(line.encode("ascii") + b"\r\n")
    return await _read_reply(reader)


async def _read_reply(reader: asyncio.StreamReader) -> SmtpReply:
    """All lines of one reply; what is not SMTP, too long or cut off has code 0."""
    lines: list[str] = []
    while len(lines) < _MAX_LINES:
        try:
            line = await reader.readline()
        except ValueError:
            return SmtpReply()
        text = line.decode("ascii", errors="replace").replace("\0", "\ufffd").rstrip("\r\n")
        if not text[:3].isdigit() or text[3:4] not in ("", " ", "-"):
            return SmtpReply(0, tuple(lines))
        lines.append(text[4:])
        if text[3:4] != "-":
            return SmtpReply(int(text[:3]), tuple(lines))
    return SmtpReply()
