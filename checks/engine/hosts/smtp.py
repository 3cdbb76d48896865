"""SMTP: the delivery host accepts mail and offers good TLS.

Specified in docs/reference/checks/smtp.md.
"""

from __future__ import annotations

import asyncio
import datetime
import re
import ssl
from dataclasses import dataclass, replace
from typing import Any

from checks.engine.hosts.certificates import TlsFacts, cautions, reason_of_tls
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
    server_name,
)
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict

# RFC 2606 reserves .invalid, so the name can never belong to another machine.
_EHLO_NAME = "probe.invalid"
_MAX_LINES = 50
_MAX_TEXT = 500
# RFC 5321 section 4.2: three digits, then a blank, a hyphen or the end of the line.
_REPLY_LINE = re.compile(r"[2-5][0-9]{2}(?:[ -]|$)")
# RFC 5321 section 4.3.2: the successful replies to MAIL and RCPT. 221 closes the connection, and
# 354 belongs to DATA, so neither accepts a recipient.
_ACCEPTED = frozenset({250, 251, 252})


@dataclass(frozen=True)
class SmtpReply:
    """An SMTP reply (RFC 5321 section 4.2).

    The code is 0 when the server closes the connection or its bytes are not SMTP.
    """

    code: int = 0
    lines: tuple[str, ...] = ()
    # The reply exceeds the limits of `_read_reply`, so its code is unknown and not wrong.
    is_too_long: bool = False

    @property
    def text(self) -> str:
        return " ".join(self.lines)[:_MAX_TEXT]

    @property
    def is_accepted(self) -> bool:
        """Whether the reply accepts a sender or recipient."""
        return self.code in _ACCEPTED

    @property
    def reason(self) -> str:
        """Return the code with its text, or a stable reason code for a reply without one."""
        if self.code:
            return f"{self.code} {self.text}".strip()
        return "reply-too-long" if self.is_too_long else "closed"


@dataclass(frozen=True)
class SmtpDialogue:
    """One dialogue. `tls` is None when STARTTLS was not offered or failed with `tls_error`."""

    greeting: SmtpReply
    ehlo: SmtpReply = SmtpReply()
    offers_starttls: bool = False
    tls: TlsFacts | None = None
    tls_error: str = ""
    # The reply to RCPT TO, or to a rejected MAIL FROM; None when no recipient was tried.
    recipient: SmtpReply | None = None
    # The server rejected EHLO and accepted HELO (RFC 5321 section 3.2).
    is_helo: bool = False
    # The reply to HELO after a rejected EHLO.
    helo: SmtpReply = SmtpReply()
    # The host accepted the connection and then sent no reply for this long.
    waited_seconds: float = 0
    # The reply to the same recipient with the recipient as sender; None when it was not tried.
    own_sender: SmtpReply | None = None
    # A recipient was given, but the dialogue ended before it.
    is_recipient_untried: bool = False
    # Bytes arrived between the reply to STARTTLS and the first encrypted command.
    is_injected: bool = False

    def as_evidence(self) -> dict[str, Any]:
        recipient_evidence = (
            {} if self.recipient is None else {"recipient_code": self.recipient.code}
        )
        if self.own_sender is not None:
            recipient_evidence["own_sender_code"] = self.own_sender.code
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
    """Run EHLO, STARTTLS and QUIT, with RCPT TO if a recipient is given, and judge. Never DATA."""
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
    """Judge the dialogue. `vantage_allowed`: the firewall admits this vantage like Mimecast.

    Only from such a vantage is a rejection a FAIL; from any other it is UNKNOWN. Pure.
    """
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
    if dialogue.recipient is not None and not dialogue.recipient.is_accepted:
        params = {
            "recipient": recipient,
            "code": dialogue.recipient.code,
            "text": dialogue.recipient.text,
        }
        # RFC 5321 section 4.2.1: 5xx is final, 4xx asks the sender to retry.
        if dialogue.recipient.code >= 500:
            return refusal, [Finding("smtp.recipient-refused", params), *found]
        return Verdict.UNKNOWN, [Finding("smtp.recipient-deferred", params), *found]
    return (Verdict.WARN if found else Verdict.PASS), found


def _judge_refusal(
    host: str, port: int, dialogue: SmtpDialogue, refusal: Verdict
) -> tuple[Verdict, list[Finding]] | None:
    """Return the verdict for a server that rejects the dialogue; None when it continues."""
    if dialogue.waited_seconds:
        # RFC 5321 section 4.5.3.2.1: a sender waits five minutes, so silence proves nothing.
        params = {"host": host, "port": port, "seconds": dialogue.waited_seconds}
        return Verdict.UNKNOWN, [Finding("smtp.no-reply-in-time", params)]
    if any(each.is_too_long for each in (dialogue.greeting, dialogue.ehlo, dialogue.helo)):
        return Verdict.UNKNOWN, [Finding("smtp.endless-reply", {"host": host, "port": port})]
    if dialogue.is_injected:
        return Verdict.UNKNOWN, [Finding("smtp.injected-reply", {"host": host, "port": port})]
    greeting = {"code": dialogue.greeting.code, "text": dialogue.greeting.text}
    if 400 <= dialogue.greeting.code < 500:
        # The server is busy or greylists this vantage. That is no evidence about Mimecast.
        return Verdict.UNKNOWN, [Finding("smtp.greeting-deferred", greeting)]
    if dialogue.greeting.code >= 500:
        return refusal, [Finding("smtp.greeting-refused", greeting)]
    if dialogue.greeting.code != 220:
        return refusal, [Finding("smtp.no-greeting", {"host": host, "port": port})]
    if dialogue.ehlo.code != 250 and not dialogue.is_helo:
        return _judge_hello(dialogue, refusal)
    return None


def _judge_hello(dialogue: SmtpDialogue, refusal: Verdict) -> tuple[Verdict, list[Finding]]:
    """Judge a server that accepts neither EHLO nor HELO.

    Only two firm rejections are a refusal. After 4xx or a closed connection the same server may
    accept the next attempt (RFC 5321 section 4.2.1).
    """
    ehlo, helo = dialogue.ehlo, dialogue.helo
    if ehlo.code < 500:
        params = {"code": ehlo.code, "text": ehlo.text}
        return Verdict.UNKNOWN, [Finding("smtp.ehlo-refused", params)]
    if helo.code < 500:
        params = {"code": helo.code, "text": helo.text}
        return Verdict.UNKNOWN, [Finding("smtp.helo-deferred", params)]
    # A firm rejection may concern only this vantage, so it counts like a refusal.
    return refusal, [Finding("smtp.ehlo-refused", {"code": ehlo.code, "text": ehlo.text})]


def _tls_findings(host: str, dialogue: SmtpDialogue, now: datetime.datetime) -> list[Finding]:
    if dialogue.is_helo:
        params = {"host": host, "code": dialogue.ehlo.code, "text": dialogue.ehlo.text}
        return [Finding("smtp.helo-only", params)]
    if not dialogue.offers_starttls:
        return [Finding("smtp.no-starttls", {"host": host})]
    if dialogue.tls is None:
        return [Finding("smtp.tls-failed", {"host": host, "reason": dialogue.tls_error})]
    return list(cautions(dialogue.tls, host, now))


async def run_dialogue(
    prober: Prober,
    address: str,
    host: str,
    port: int,
    recipient: str,
    *,
    tries_own_sender: bool = False,
) -> SmtpDialogue | ConnectionFailure:
    """Run one dialogue with one address; it ends before DATA (RFC 5321 section 3.3).

    With `tries_own_sender`, a recipient that the server accepts from the null sender is tried again
    with itself as sender.
    """
    timeout_seconds = prober.network.connect_timeout_seconds

    async def run_dialogue(
        context: ssl.SSLContext, distrust: str
    ) -> SmtpDialogue | ConnectionFailure:
        streams = await prober.connect(address, port)
        if isinstance(streams, ConnectionFailure):
            return streams
        try:
            # Twice the timeout: one for the dialogue, one for a TLS handshake that stalls.
            async with asyncio.timeout(2 * timeout_seconds):
                dialogue = await start_dialogue(streams, host, context, distrust, timeout_seconds)
            return await finish_dialogue(
                streams, dialogue, recipient, timeout_seconds, tries_own_sender=tries_own_sender
            )
        finally:
            abort(streams[1])

    try:
        return await handshake_with_fallback(prober.network, run_dialogue)
    except TimeoutError:
        # The port is open but silent: a dialogue with code 0, not a failed connection.
        return SmtpDialogue(SmtpReply(), waited_seconds=2 * timeout_seconds)


async def start_dialogue(
    streams: Streams, host: str, context: ssl.SSLContext, distrust: str, timeout_seconds: float
) -> SmtpDialogue:
    """Read the greeting, send EHLO and STARTTLS. Raises ssl.SSLCertVerificationError."""
    reader, writer = streams
    greeting = await _read_reply(reader)
    if greeting.code != 220:
        return SmtpDialogue(greeting)
    ehlo = await _send_command(reader, writer, f"EHLO {_EHLO_NAME}")
    if ehlo.code >= 500:
        # RFC 5321 section 3.2: a client falls back to HELO, for which no extension is offered.
        helo = await _send_command(reader, writer, f"HELO {_EHLO_NAME}")
        return SmtpDialogue(greeting, ehlo, is_helo=helo.code == 250, helo=helo)
    # RFC 5321 section 4.1.1.1: the first line repeats the server's name, the others are keywords.
    offers = any(line.upper().startswith("STARTTLS") for line in ehlo.lines[1:])
    if not offers:
        return SmtpDialogue(greeting, ehlo)
    ready = await _send_command(reader, writer, "STARTTLS")
    if ready.code != 220:
        return SmtpDialogue(greeting, ehlo, offers, tls_error=ready.reason)
    return await _encrypt(
        streams, SmtpDialogue(greeting, ehlo, offers), host, context, distrust, timeout_seconds
    )


async def _encrypt(
    streams: Streams,
    dialogue: SmtpDialogue,
    host: str,
    context: ssl.SSLContext,
    distrust: str,
    timeout_seconds: float,
) -> SmtpDialogue:
    """Complete the TLS handshake after STARTTLS. Raises ssl.SSLCertVerificationError."""
    reader, writer = streams
    injected = replace(dialogue, tls_error="closed", is_injected=True)
    if await _has_unread_bytes(reader):
        return injected
    try:
        await writer.start_tls(
            context, server_hostname=server_name(host), ssl_handshake_timeout=timeout_seconds
        )
        facts = read_tls_facts(writer, distrust)
    except ssl.SSLCertVerificationError:
        # `handshake_with_fallback` repeats the dialogue without verification.
        raise
    except OSError as error:
        reason = _error_text(error)
        # A slow handshake is no proof that TLS fails.
        waited = timeout_seconds if reason == "timeout" else 0
        return replace(dialogue, tls_error=reason, waited_seconds=waited)
    # `start_tls` keeps the plain text that arrived during its start. It would count as a reply.
    if await _has_unread_bytes(reader):
        return injected
    return replace(dialogue, tls=facts)


async def _has_unread_bytes(reader: asyncio.StreamReader) -> bool:
    """Return whether the server has sent bytes that answer no command.

    RFC 3207 section 4.2: after the reply to STARTTLS the client speaks first. An attacker on the
    way can append plain text to that reply, which must not count as an encrypted reply.
    """
    try:
        # A timeout of zero ends a read that has to wait; buffered bytes return before it.
        async with asyncio.timeout(0):
            return await reader.read(1) != b""
    except TimeoutError:
        return False


async def finish_dialogue(
    streams: Streams,
    dialogue: SmtpDialogue,
    recipient: str,
    timeout_seconds: float,
    *,
    tries_own_sender: bool = False,
) -> SmtpDialogue:
    """Try the recipient if one is given, then QUIT. Never sends a message."""
    # The rest of a reply that is too long would count as the replies to the next commands.
    if dialogue.greeting.code != 220 or dialogue.tls_error or dialogue.ehlo.is_too_long:
        return replace(dialogue, is_recipient_untried=bool(recipient and dialogue.tls_error))
    try:
        async with asyncio.timeout(timeout_seconds):
            if recipient:
                dialogue = replace(dialogue, recipient=SmtpReply())
                reply = await _try_recipient(streams, recipient, dialogue)
                dialogue = replace(dialogue, recipient=reply)
                if tries_own_sender and reply.is_accepted:
                    dialogue = replace(dialogue, own_sender=await _try_own(streams, recipient))
            await _send_command(*streams, "QUIT")
    except TimeoutError:
        # RFC 5321 section 4.5.3.2: a sender waits five minutes. A slow QUIT concerns no recipient.
        if dialogue.recipient == SmtpReply():
            return replace(dialogue, waited_seconds=timeout_seconds)
    except OSError:
        # Disconnected: the dialogue until then counts.
        return dialogue
    return dialogue


async def _try_recipient(streams: Streams, recipient: str, dialogue: SmtpDialogue) -> SmtpReply:
    if dialogue.tls is not None:
        # RFC 3207 section 4.2: after STARTTLS both sides discard the earlier dialogue.
        await _send_command(*streams, f"EHLO {_EHLO_NAME}")
    # The null sender (RFC 5321 section 4.5.5): no mailbox can receive a bounce of this attempt.
    return await _try_envelope(streams, "", recipient)


async def _try_own(streams: Streams, recipient: str) -> SmtpReply | None:
    """Try the recipient as sender too: Reject Direct Send concerns the client's domains only."""
    reset = await _send_command(*streams, "RSET")
    if not reset.is_accepted:
        return None
    return await _try_envelope(streams, recipient, recipient)


async def _try_envelope(streams: Streams, sender: str, recipient: str) -> SmtpReply:
    reply = await _send_command(*streams, f"MAIL FROM:<{sender}>")
    if not reply.is_accepted:
        return reply
    return await _send_command(*streams, f"RCPT TO:<{recipient}>")


def _error_text(error: Exception) -> str:
    """The reason of OpenSSL, or that of the connection: a stable code, never a class name."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "closed"
    if isinstance(error, ssl.SSLError):
        return reason_of_tls(error)
    return "timeout" if isinstance(error, TimeoutError | ConnectionAbortedError) else "closed"


async def _send_command(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str
) -> SmtpReply:
    writer.write(line.encode("ascii") + b"\r\n")
    return await _read_reply(reader)


async def _read_reply(reader: asyncio.StreamReader) -> SmtpReply:
    """Read all lines of one reply; code 0 when it is not SMTP, too long or incomplete."""
    lines: list[str] = []
    while len(lines) < _MAX_LINES:
        try:
            line = await reader.readline()
        except ValueError:
            # A line beyond the limit of the stream reader (64 KiB).
            return SmtpReply(is_too_long=True)
        except OSError:
            # The port accepted the connection, so a reset is no unreachable host.
            return SmtpReply(0, tuple(lines))
        text = line.decode("ascii", errors="replace").replace("\0", "\ufffd").rstrip("\r\n")
        # RFC 5321 section 4.2: a line is complete with its line end, even the last one.
        if not line.endswith(b"\n") or not _REPLY_LINE.match(text):
            return SmtpReply(0, tuple(lines))
        lines.append(text[4:])
        if text[3:4] != "-":
            return SmtpReply(int(text[:3]), tuple(lines))
    return SmtpReply(is_too_long=True)
