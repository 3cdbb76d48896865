"""STARTTLS of a TLS partner: does enforced mail to the partner's domain arrive?

Specified in docs/reference/checks/partner_tls.md. Partners are third parties: one connection to
each MX host, which ends before MAIL FROM.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.engine.dns.lookup import Lookup, LookupFailure, NoName, Records
from checks.engine.dns.validated import resolve_validated
from checks.engine.hosts import smtp
from checks.engine.hosts.certificates import Certificate, cautions, client_context, matches
from checks.engine.hosts.prober import ConnectionFailure, NotProbed, Prober, abort
from checks.engine.hosts.smtp import SmtpDialogue
from checks.engine.outcomes import Finding, Verdict

# Mimecast also tries the first hosts. A domain with more is judged by these.
MAX_HOSTS = 5
PORT = 25
# Mail servers allow strangers about two connections a minute.
_MAX_PER_ADDRESS = 2
# The worst counts: Mimecast may deliver to any of the hosts.
_NO_TLS_ANSWER = ("closed", "timeout", "reply-too-long")
_WORST_FIRST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS)


@dataclass(frozen=True)
class PartnerHosts:
    """The addresses of the MX hosts: one for each host. `findings` explain the missing ones."""

    addresses: dict[str, str] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class PartnerResult:
    """The verdict on a partner's domain, with the dialogue of each host as evidence."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)


async def locate(domain: str, prober: Prober) -> PartnerHosts:
    """Find the MX hosts and one public address of each. Connects to no host."""
    hosts = await _mail_hosts(domain, prober.lookup)
    if isinstance(hosts, PartnerHosts):
        return hosts
    addresses: dict[str, str] = {}
    verdicts, findings = [], []
    for host in hosts:
        found = await prober.locate(host, PORT)
        if isinstance(found, NotProbed):
            # A host without an address may be one of several; that proves nothing about TLS.
            verdicts.append(Verdict.UNKNOWN)
            findings.append(Finding("partner.not-probed", {"host": host}))
            continue
        used = list(addresses.values())
        address = min(found, key=used.count)
        # A third host at one address is the same server, and it would count the connections.
        if used.count(address) < _MAX_PER_ADDRESS:
            addresses[host] = address
    return PartnerHosts(addresses, tuple(verdicts), tuple(findings))


async def _mail_hosts(domain: str, lookup: Lookup) -> Sequence[str] | PartnerHosts:
    """The MX hosts by preference, or the domain without MX records (RFC 5321 section 5.1)."""
    answer = await resolve_validated(lookup, domain, "MX")
    if isinstance(answer, LookupFailure):
        params = {"domain": domain, "reason": answer.reason}
        return PartnerHosts({}, (Verdict.UNKNOWN,), (Finding("partner.mx-unknown", params),))
    if isinstance(answer, Records):
        ordered = sorted(answer.records, key=lambda record: (record.preference, record.exchange))
        hosts = list(dict.fromkeys(record.exchange for record in ordered))
        if hosts != ["."]:
            return [host for host in hosts if host != "."][:MAX_HOSTS]
    elif not isinstance(answer, NoName):
        return [domain]
    no_mail = Finding("partner.no-mail", {"domain": domain})
    return PartnerHosts({}, (Verdict.FAIL,), (no_mail,))


async def inspect(hosts: PartnerHosts, prober: Prober, *, port: int = PORT) -> PartnerResult:
    """Connect once to each host and judge. Never raises for a condition of a host."""
    tried = await asyncio.gather(
        *(_try_host(prober, host, address, port) for host, address in hosts.addresses.items())
    )
    judged = [(verdict, found) for verdict, found, _ in tried]
    verdicts = {*hosts.verdicts, *(verdict for verdict, _ in judged)} or {Verdict.UNKNOWN}
    findings = (*hosts.findings, *(each for _, found in judged for each in found))
    return PartnerResult(
        next(verdict for verdict in _WORST_FIRST if verdict in verdicts),
        findings,
        {"hosts": [evidence for _, _, evidence in tried]},
    )


async def _try_host(
    prober: Prober, host: str, address: str, port: int
) -> tuple[Verdict, list[Finding], dict[str, Any]]:
    evidence: dict[str, Any] = {"host": host, "address": address}
    async with prober.lock_for(address):
        try:
            dialogue = await _dialogue(prober, host, address, port)
        except ssl.SSLCertVerificationError as error:
            params = {"host": host, "reason": error.verify_message}
            evidence |= {"starttls": True, "trusted": False, "reason": error.verify_message}
            return Verdict.FAIL, [Finding("partner.untrusted", params)], evidence
        except TimeoutError:
            return Verdict.UNKNOWN, [Finding("partner.no-answer", {"host": host})], evidence
    if isinstance(dialogue, ConnectionFailure):
        params = {"host": host, "reason": dialogue.reason}
        return Verdict.UNKNOWN, [Finding("partner.unreachable", params)], evidence
    verdict, findings = judge(host, dialogue, prober)
    return verdict, findings, evidence | dialogue.as_evidence()


async def _dialogue(
    prober: Prober, host: str, address: str, port: int
) -> SmtpDialogue | ConnectionFailure:
    """One connection. Raises TimeoutError, and SSLCertVerificationError without a second one."""
    timeout_seconds = prober.network.connect_timeout_seconds
    streams = await prober.connect(address, port)
    if isinstance(streams, ConnectionFailure):
        return streams
    context = client_context(verified=True, ca_file=prober.network.ca_file)
    try:
        async with asyncio.timeout(2 * timeout_seconds):
            dialogue = await smtp.start_dialogue(streams, host, context, "", timeout_seconds)
        return await smtp.finish_dialogue(streams, dialogue, "", timeout_seconds)
    finally:
        abort(streams[1])


def judge(host: str, dialogue: SmtpDialogue, prober: Prober) -> tuple[Verdict, list[Finding]]:
    """Judge a dialogue. Only a clear answer about encryption is FAIL.

    A server may treat Gangway's address worse than Mimecast's. So a rejection, a temporary error
    and a closed connection are UNKNOWN.
    """
    is_answered = dialogue.greeting.code == 220 and (dialogue.ehlo.code == 250 or dialogue.is_helo)
    # RFC 3207 section 4: only 5xx rejects STARTTLS for good.
    is_unclear = dialogue.tls_error in _NO_TLS_ANSWER or dialogue.tls_error.startswith(
        ("2", "3", "4")
    )
    if not is_answered or dialogue.waited_seconds or dialogue.is_injected or is_unclear:
        return Verdict.UNKNOWN, [Finding("partner.no-answer", {"host": host})]
    if not dialogue.offers_starttls:
        return Verdict.FAIL, [Finding("partner.no-starttls", {"host": host})]
    if dialogue.tls is None or dialogue.tls.certificate is None:
        params = {"host": host, "reason": dialogue.tls_error or "unreadable certificate"}
        return Verdict.FAIL, [Finding("partner.tls-failed", params)]
    if not matches(dialogue.tls.certificate, host):
        names = list(dialogue.tls.certificate.names)
        return Verdict.FAIL, [Finding("partner.name-mismatch", {"host": host, "names": names})]
    if any(
        found.code == "tls.expires-soon" for found in cautions(dialogue.tls, host, prober.now())
    ):
        return Verdict.WARN, [_expires_soon(host, dialogue.tls.certificate)]
    return Verdict.PASS, []


def _expires_soon(host: str, certificate: Certificate) -> Finding:
    not_after = certificate.not_after.isoformat()
    return Finding("partner.expires-soon", {"host": host, "not_after": not_after})
