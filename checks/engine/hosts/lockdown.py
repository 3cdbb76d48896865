"""Inbound Lockdown: port 25 of the delivery host is closed to all senders except Mimecast.

Specified in docs/reference/checks/lockdown.md. An unreachable port proves a lockdown only if the
vantage reaches port 25 elsewhere in the same run. So the check also connects to a control target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from checks.engine.dns.network import Endpoint
from checks.engine.hosted_delivery import is_hosted_delivery
from checks.engine.hosts.prober import (
    DEFAULT_PORTS,
    ConnectionFailure,
    NotProbed,
    Prober,
    not_probed_outcome,
)
from checks.engine.hosts.smtp import SmtpDialogue, SmtpReply, run_dialogue
from checks.engine.outcomes import SEVERITY, CheckKind, Finding, Outcome, Verdict

# TenantInboundAttribution: a partner connector admits Mimecast only.
_LOCKDOWN_REPLY = re.compile(r"\b5\.7\.51\b")
# Reject Direct Send: the tenant rejects its own domains as senders, and no others.
_DIRECT_SEND_REPLY = re.compile(r"\b5\.7\.68\b")
# RFC 3463: a status about the address, the mailbox, the system, the route or the content, such as
# 5.1.1. It is at the start of a line (RFC 2034); elsewhere, such digits are part of an address.
# 5.1.7 and 5.1.8 are about the sender, 5.3.2 is about a system that accepts no messages, and 5.0.x
# and 5.1.0 state no reason. None of these proves that others may send.
_OTHER_REASON = re.compile(r"5\.(?!1\.[078](?!\d)|3\.2(?!\d))[1-46]\.\d{1,3}(?![\d.])")
_POLICY_REASON = re.compile(r"(?<![\d.])5\.7\.\d{1,3}(?!\d|\.\d)")
# Some gateways state a policy in words, with a status about the address, such as 5.4.1.
_POLICY_WORDS = re.compile(
    r"access (?:is )?denied|block ?list|black ?list|\bblocked\b|\bbanned\b|reputation|prohibited"
    r"|not permitted|\bby policy\b|local policy|spam",
    re.IGNORECASE,
)
# Only these two results are certainly a firewall's. The others can be network faults on the way.
_CLOSED = ("refused", "timeout")


async def inspect(
    host: str,
    port: int,
    control: Endpoint | None,
    vantage_allowed: bool,
    prober: Prober,
    *,
    recipient: str = "",
) -> Outcome:
    """Connect to the host as any sender would, then to the control target. Stops before DATA."""
    port = port or DEFAULT_PORTS[CheckKind.LOCKDOWN]
    subject = f"{host}:{port}"
    if vantage_allowed:
        return _unknown(subject, Finding("lockdown.allowed-vantage", {"host": host}))
    if control is None:
        return _unknown(subject, Finding("lockdown.no-control", {}))
    addresses = await prober.locate(host, port)
    if isinstance(addresses, NotProbed):
        return not_probed_outcome(CheckKind.LOCKDOWN, subject, addresses)
    # Every address, also of a hosted platform: one that accepts mail is enough to bypass Mimecast.
    results = await prober.connect_each(
        addresses,
        lambda each: run_dialogue(prober, each, host, port, recipient, tries_own_sender=True),
    )
    untried = await prober.untried(host, addresses)
    # After the host, so that a vantage which loses its network in between proves nothing.
    is_reached = await _is_control_reachable(control, prober)
    unreached = control if not is_reached else None
    address, verdict, finding = judge_all(host, port, results, untried, control=unreached)
    rows = [_as_evidence(*each) for each in results]
    evidence = next(row for row in rows if row["address"] == address) | {
        "host": host,
        "port": port,
        "control_reached": is_reached,
        "tried": rows,
        "untried": untried,
    }
    is_known = verdict is not Verdict.UNKNOWN
    return Outcome(CheckKind.LOCKDOWN, subject, verdict, (finding,), evidence, unanimous=is_known)


_Result = SmtpDialogue | ConnectionFailure


def _as_evidence(address: str, result: _Result) -> dict[str, Any]:
    answer = result.as_evidence() if isinstance(result, SmtpDialogue) else {"reason": result.reason}
    return {"address": address, **answer}


def judge_all(
    host: str,
    port: int,
    results: Sequence[tuple[str, _Result]],
    untried: Sequence[str],
    *,
    control: Endpoint | None,
) -> tuple[str, Verdict, Finding]:
    """Return the deciding address with its verdict. Pure.

    One open address is FAIL. PASS requires that every address of the host was tried and is closed.
    """
    judged = [(a, *judge(host, port, result, control=control)) for a, result in results]
    for wanted in (Verdict.FAIL, Verdict.UNKNOWN):
        for address, verdict, finding in judged:
            if verdict is wanted:
                return address, verdict, finding
    # WARN before PASS.
    address, verdict, finding = min(judged, key=lambda each: SEVERITY.index(each[1]))
    if untried:
        params = {"host": host, "addresses": list(untried)}
        return address, Verdict.UNKNOWN, Finding("lockdown.untried", params)
    return address, verdict, finding


def _unknown(subject: str, finding: Finding) -> Outcome:
    return Outcome(CheckKind.LOCKDOWN, subject, Verdict.UNKNOWN, (finding,), unanimous=False)


async def _is_control_reachable(control: Endpoint, prober: Prober) -> bool:
    """Return whether this vantage receives a greeting from the control target."""
    host, port = control
    addresses = await prober.locate(host, port)
    if isinstance(addresses, NotProbed):
        return False
    _, result = await prober.connect_first(
        addresses, lambda each: run_dialogue(prober, each, host, port, "")
    )
    return isinstance(result, SmtpDialogue) and result.greeting.code > 0


def judge(
    host: str, port: int, result: SmtpDialogue | ConnectionFailure, *, control: Endpoint | None
) -> tuple[Verdict, Finding]:
    """Judge the result. `control` is the control target if it was unreachable, else None. Pure."""
    if isinstance(result, ConnectionFailure):
        return _judge_silence(host, port, result.reason, control)
    greeting, reply = result.greeting, result.recipient or SmtpReply()
    if _is_refused_as(greeting, _LOCKDOWN_REPLY):
        return _refused(greeting.code, greeting.text)
    if greeting.code >= 500:
        # A block list greets this vantage in the same way, and other senders with 220.
        return _refused_by_policy(host, greeting)
    if greeting.code != 220:
        return _unclear(host, port, _reason_of(result))
    locked = _judge_microsoft(host, reply, result.own_sender or SmtpReply())
    if locked is not None:
        return locked
    # Hosted platforms greet every sender and decide at RCPT TO, or after it.
    if is_hosted_delivery(host):
        return Verdict.UNKNOWN, Finding("lockdown.hosted-inconclusive", {"host": host})
    return _judge_reply(host, port, result)


def _judge_reply(host: str, port: int, dialogue: SmtpDialogue) -> tuple[Verdict, Finding]:
    """Judge the last reply of a server that greets: to the recipient, else to EHLO."""
    if dialogue.is_recipient_untried:
        # Many servers refuse strangers only at RCPT TO.
        return _unclear(host, port, f"STARTTLS: {dialogue.tls_error}")
    reply = dialogue.ehlo if dialogue.recipient is None else dialogue.recipient
    if reply.code == 0:
        waited = dialogue.waited_seconds and reply is dialogue.recipient
        return _unclear(host, port, _waited(dialogue) if waited else reply.reason)
    is_hello_accepted = reply is dialogue.ehlo and dialogue.is_helo
    # RFC 5321 section 4.2.1: after a 4xx reply nothing is decided, as with a greylist.
    is_rejected = reply.code >= 400 and not is_hello_accepted
    if is_rejected and (reply.code < 500 or not _has_other_reason(reply)):
        # A policy refuses the sender: the lockdown, or a block list or a relay rule.
        return _refused_by_policy(host, reply)
    if not is_rejected and not is_hello_accepted and not reply.is_accepted:
        # Neither accepted nor rejected, such as 221 (closing) or 354 (the reply to DATA).
        return _unclear(host, port, reply.reason)
    return Verdict.FAIL, Finding("lockdown.open", {"host": host, "port": port})


def _has_other_reason(reply: SmtpReply) -> bool:
    """Whether the refusal is certainly no policy against the sender, which any line may state."""
    is_other = any(map(_OTHER_REASON.match, reply.lines))
    is_policy = _POLICY_REASON.search(reply.text) or _POLICY_WORDS.search(reply.text)
    return is_other and not is_policy


def _refused_by_policy(host: str, reply: SmtpReply) -> tuple[Verdict, Finding]:
    params = {"host": host, "code": reply.code, "text": reply.text}
    return Verdict.UNKNOWN, Finding("lockdown.refused-by-policy", params)


def _judge_microsoft(
    host: str, reply: SmtpReply, own_sender: SmtpReply
) -> tuple[Verdict, Finding] | None:
    """Judge the statuses of a lockdown at Microsoft 365; None without one of them."""
    if _is_refused_as(reply, _LOCKDOWN_REPLY):
        return _refused(reply.code, reply.text)
    for each in (reply, own_sender):
        if _is_refused_as(each, _DIRECT_SEND_REPLY):
            params = {"host": host, "code": each.code, "text": each.text}
            return Verdict.WARN, Finding("lockdown.direct-send-refused", params)
    return None


def is_connector_refusal(finding: Mapping[str, Any]) -> bool:
    """Whether a stored finding is the refusal of a connector that admits Mimecast only. Pure.

    5.7.68 is none: Reject Direct Send accepts all senders outside the client's own domains.
    """
    text = (finding.get("params") or {}).get("text", "")
    return finding["code"] == "lockdown.refused" and _LOCKDOWN_REPLY.search(text) is not None


def _is_refused_as(reply: SmtpReply, status: re.Pattern[str]) -> bool:
    return reply.code >= 500 and status.search(reply.text) is not None


def _judge_silence(
    host: str, port: int, reason: str, control: Endpoint | None
) -> tuple[Verdict, Finding]:
    if control is not None:
        params = {"control": f"{control[0]}:{control[1]}"}
        return Verdict.UNKNOWN, Finding("lockdown.control-failed", params)
    if reason not in _CLOSED or is_hosted_delivery(host):
        return _unclear(host, port, reason)
    closed = Finding("lockdown.closed", {"host": host, "port": port, "reason": reason})
    return Verdict.PASS, closed


def _refused(code: int, text: str) -> tuple[Verdict, Finding]:
    return Verdict.PASS, Finding("lockdown.refused", {"code": code, "text": text})


def _reason_of(result: SmtpDialogue) -> str:
    if result.waited_seconds:
        return _waited(result)
    return result.greeting.reason if result.greeting.code else "no greeting"


def _waited(result: SmtpDialogue) -> str:
    return f"no reply within {result.waited_seconds:g} s"


def _unclear(host: str, port: int, reason: str) -> tuple[Verdict, Finding]:
    params = {"host": host, "port": port, "reason": reason}
    return Verdict.UNKNOWN, Finding("lockdown.unclear", params)
