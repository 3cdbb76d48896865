"""SMTP against a real server on loopback, and the judgement of other dialogues."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns.network import Network
from checks.engine.hosts import prober, smtp
from checks.engine.hosts.prober import ConnectionFailure, reason_of
from checks.engine.hosts.smtp import SmtpDialogue, SmtpReply
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import (
    MailHost,
    mail_host,
    make_certificate,
    server_context,
    write_authority,
)
from tests.checks.engine.outcomes import code_params, codes, params

HOST = "mail.example.test"
ZONE = f"{HOST} A 127.0.0.1\n"
NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


def run_check(
    folder: Path,
    *,
    certified: dict[str, Any] | None = None,
    timeout: float = 0.5,
    asked: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Outcome, MailHost]:
    async def run() -> tuple[Outcome, MailHost]:
        tls = None
        if certified is not None:
            host = certified.get("host", HOST)
            tls = server_context(folder, host, make_certificate(**{"host": HOST} | certified))
        async with nameserver(ZONE) as dns, mail_host(tls=tls, **options) as server:
            network = replace(
                network_of(dns),
                ca_file=str(write_authority(folder)),
                connect_timeout_seconds=timeout,
            )
            (outcome,) = await run_all(
                [CheckRequest(CheckKind.SMTP, host=HOST, port=server.port, **(asked or {}))],
                network=network,
                budget_seconds=5,
                concurrency=5,
            )
            return outcome, server

    return asyncio.run(run())


def test_smtp_with_good_certificate_passes(tmp_path: Path) -> None:
    outcome, server = run_check(tmp_path, certified={})

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])
    assert server.commands == ["EHLO probe.invalid", "STARTTLS", "QUIT"]
    assert outcome.evidence["address"] == "127.0.0.1"
    assert outcome.evidence["greeting"] == "220 mail.example.test ESMTP"
    assert outcome.evidence["tls"]["protocol"] == "TLSv1.3"
    assert outcome.evidence["tls"]["trusted"] is True
    assert outcome.evidence["tls"]["certificate"]["names"] == [HOST]


@pytest.mark.parametrize(
    ("certified", "expected"),
    [
        ({"issuer": HOST}, ["tls.self-signed"]),
        ({"issuer": "Nobody"}, ["tls.untrusted"]),
        ({"days": (-9, -1)}, ["tls.expired"]),
        ({"days": (-9, 5)}, ["tls.expires-soon"]),
        ({"host": "other.example.test"}, ["tls.name-mismatch"]),
        ({"host": "*.example.test"}, []),
        ({"host": "*.test"}, ["tls.name-mismatch"]),
    ],
)
def test_smtp_certificate_cautions(
    tmp_path: Path, certified: dict[str, Any], expected: list[str]
) -> None:
    outcome, _ = run_check(tmp_path, certified=certified)

    assert codes(outcome) == expected
    assert outcome.verdict is (Verdict.WARN if expected else Verdict.PASS)


@pytest.mark.parametrize(
    ("options", "verdict", "expected"),
    [
        ({"ehlo": ["mail.example.test"]}, Verdict.WARN, ["smtp.no-starttls"]),
        ({"ehlo": ["STARTTLS.example.test"]}, Verdict.WARN, ["smtp.no-starttls"]),
        ({"starttls": "454 not now"}, Verdict.WARN, ["smtp.tls-failed"]),
        ({"starttls": "220 but then hangs up"}, Verdict.WARN, ["smtp.tls-failed"]),
        ({"greeting": "421 busy"}, Verdict.UNKNOWN, ["smtp.greeting-deferred"]),
        ({"greeting": "554 no"}, Verdict.UNKNOWN, ["smtp.greeting-refused"]),
        ({"greeting": "HTTP/1.1 400 Bad Request"}, Verdict.UNKNOWN, ["smtp.no-greeting"]),
    ],
)
def test_smtp_dialogue(
    tmp_path: Path, options: dict[str, Any], verdict: Verdict, expected: list[str]
) -> None:
    outcome, _ = run_check(tmp_path, **options)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


def test_smtp_that_never_greets_is_unknown(tmp_path: Path) -> None:
    outcome, _ = run_check(tmp_path, greeting="", timeout=0.1)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["smtp.no-reply-in-time"])
    assert params(outcome, "smtp.no-reply-in-time")["seconds"] == 0.2


def test_smtp_silence_is_unknown_from_allowed_vantage(tmp_path: Path) -> None:
    outcome, _ = run_check(tmp_path, greeting="", timeout=0.1, asked={"vantage_allowed": True})

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["smtp.no-reply-in-time"])


# Field case 11.
@pytest.mark.parametrize(
    ("refusal", "helo", "verdict", "expected"),
    [
        ("500 5.5.1 Command unrecognized", "", Verdict.WARN, "smtp.helo-only"),
        ("502 not implemented", "", Verdict.WARN, "smtp.helo-only"),
        ("550 no", "", Verdict.WARN, "smtp.helo-only"),
        ("500 no", "550 go away", Verdict.FAIL, "smtp.ehlo-refused"),
        # RFC 5321 section 4.2.1: the server may accept the next attempt.
        ("500 no", "421 4.3.2 busy", Verdict.UNKNOWN, "smtp.helo-deferred"),
        ("502 no", "450 later", Verdict.UNKNOWN, "smtp.helo-deferred"),
        ("502 no", "no SMTP", Verdict.UNKNOWN, "smtp.helo-deferred"),
        ("421 later", "", Verdict.UNKNOWN, "smtp.ehlo-refused"),
    ],
)
def test_smtp_falls_back_to_helo(
    tmp_path: Path, refusal: str, helo: str, verdict: Verdict, expected: str
) -> None:
    outcome, server = run_check(
        tmp_path, refuses_ehlo=refusal, helo=helo, asked={"vantage_allowed": True}
    )

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])
    assert ("HELO probe.invalid" in server.commands) is refusal.startswith("5")


def refused_hello(helo: SmtpReply) -> SmtpDialogue:
    return SmtpDialogue(SmtpReply(220), SmtpReply(554), helo=helo)


@pytest.mark.parametrize(
    ("spoken", "allowed", "verdict", "expected"),
    [
        (ConnectionFailure("refused"), False, Verdict.UNKNOWN, "smtp.unreachable-from-here"),
        (ConnectionFailure("timeout"), False, Verdict.UNKNOWN, "smtp.unreachable-from-here"),
        (ConnectionFailure("refused"), True, Verdict.FAIL, "smtp.unreachable"),
        (ConnectionFailure("timeout"), True, Verdict.FAIL, "smtp.unreachable"),
        (SmtpDialogue(SmtpReply(554, ("no",))), True, Verdict.FAIL, "smtp.greeting-refused"),
        (SmtpDialogue(SmtpReply(421, ("busy",))), True, Verdict.UNKNOWN, "smtp.greeting-deferred"),
        (SmtpDialogue(SmtpReply()), True, Verdict.FAIL, "smtp.no-greeting"),
        (refused_hello(SmtpReply(554)), True, Verdict.FAIL, "smtp.ehlo-refused"),
        (refused_hello(SmtpReply(554)), False, Verdict.UNKNOWN, "smtp.ehlo-refused"),
        (refused_hello(SmtpReply(421)), True, Verdict.UNKNOWN, "smtp.helo-deferred"),
        (refused_hello(SmtpReply(354)), True, Verdict.UNKNOWN, "smtp.helo-deferred"),
        (refused_hello(SmtpReply()), True, Verdict.UNKNOWN, "smtp.helo-deferred"),
        (refused_hello(SmtpReply(is_too_long=True)), True, Verdict.UNKNOWN, "smtp.endless-reply"),
        (SmtpDialogue(SmtpReply(220), SmtpReply(421)), True, Verdict.UNKNOWN, "smtp.ehlo-refused"),
        (SmtpDialogue(SmtpReply(220), SmtpReply()), True, Verdict.UNKNOWN, "smtp.ehlo-refused"),
    ],
)
def test_smtp_refusal_needs_allowed_vantage(
    spoken: SmtpDialogue | ConnectionFailure, allowed: bool, verdict: Verdict, expected: str
) -> None:
    found = smtp.judge(HOST, 25, spoken, vantage_allowed=allowed, now=NOW)

    assert (found[0], [code for code, _ in code_params(found[1])]) == (verdict, [expected])


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (111, "refused"),
        (104, "reset"),
        (110, "timeout"),
        (113, "unreachable"),
        (101, "unreachable"),
        (22, "unreachable"),
        (13, "unreachable"),
    ],
)
def test_connection_errors_have_stable_codes(number: int, reason: str) -> None:
    assert reason_of(OSError(number, "")) == reason


def run_checks(zone: str, host: str, port: int, network: Network | None = None) -> Outcome:
    async def run() -> Outcome:
        async with nameserver(zone) as dns:
            here = network or network_of(dns)
            here = replace(here, nameservers=(("127.0.0.1", dns.port),))
            (outcome,) = await run_all(
                [CheckRequest(CheckKind.SMTP, host=host, port=port)],
                network=here,
                budget_seconds=5,
                concurrency=5,
            )
            return outcome

    return asyncio.run(run())


def test_smtp_closed_port_is_unknown_outside() -> None:
    outcome = run_checks(ZONE, HOST, 9)

    assert outcome.verdict is Verdict.UNKNOWN
    assert params(outcome, "smtp.unreachable-from-here")["reason"] == "refused"


@pytest.mark.parametrize(
    ("zone", "host", "port", "verdict", "expected"),
    [
        (ZONE, HOST, 25, Verdict.UNKNOWN, "host.not-allowed"),
        (f"{HOST} A 169.254.169.254", HOST, 25, Verdict.UNKNOWN, "host.not-allowed"),
        (f"{HOST} AAAA ::ffff:10.0.0.1", HOST, 25, Verdict.UNKNOWN, "host.not-allowed"),
        (f"{HOST} A 8.8.8.8", HOST, 22, Verdict.UNKNOWN, "host.not-allowed"),
        # Only an IPv6 address that this machine cannot reach, also next to a private one.
        (f"{HOST} AAAA 2a00:1450::25", HOST, 25, Verdict.UNKNOWN, "host.no-ipv6-here"),
        (
            f"{HOST} AAAA 2a00:1450::25\n{HOST} A 10.0.0.1",
            HOST,
            25,
            Verdict.UNKNOWN,
            "host.no-ipv6-here",
        ),
        (f"{HOST} AAAA 2001:db8::25", HOST, 25, Verdict.UNKNOWN, "host.not-allowed"),
        (f"{HOST} AAAA 2a00:1450::25", HOST, 22, Verdict.UNKNOWN, "host.not-allowed"),
        ("", "127.0.0.1", 25, Verdict.UNKNOWN, "host.not-allowed"),
        ("", "2130706433", 25, Verdict.FAIL, "host.no-address"),
        ("", HOST, 25, Verdict.FAIL, "host.no-address"),
        (f"{HOST} TXT none", HOST, 25, Verdict.FAIL, "host.no-address"),
    ],
)
def test_smtp_private_address_is_refused(
    zone: str,
    host: str,
    port: int,
    verdict: Verdict,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prober, "has_route", lambda address: False)

    outcome = run_checks(zone, host, port, Network(timeouts_seconds=(0.1,)))

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])


def test_smtp_unresolvable_host_is_unknown() -> None:
    async def run() -> Outcome:
        async with nameserver() as dns:
            network = network_of(dns)
        (outcome,) = await run_all(
            [CheckRequest(CheckKind.SMTP, host=HOST)],
            network=network,
            budget_seconds=5,
            concurrency=1,
        )
        return outcome

    outcome = asyncio.run(run())

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["host.could-not-resolve"])
    assert outcome.subject == f"{HOST}:25"


def test_smtp_host_is_probed_once_per_batch(tmp_path: Path) -> None:
    async def run() -> tuple[list[Outcome], int]:
        tls = server_context(tmp_path, HOST, make_certificate(HOST))
        async with nameserver(ZONE) as dns, mail_host(tls=tls) as server:
            network = replace(network_of(dns), ca_file=str(write_authority(tmp_path)))
            requests = [CheckRequest(CheckKind.SMTP, host=HOST, port=server.port) for _ in range(4)]
            outcomes = await run_all(requests, network=network, budget_seconds=5, concurrency=2)
            return outcomes, server.connections

    outcomes, connections = asyncio.run(run())

    assert ([o.verdict for o in outcomes], connections) == ([Verdict.PASS] * 4, 1)


def test_smtp_greeting_is_volatile_evidence() -> None:
    outcome = Outcome(
        CheckKind.SMTP, HOST, Verdict.PASS, evidence={"greeting": "220 id 7", "starttls": True}
    )

    assert outcome.stable_evidence == {"starttls": True}


def test_smtp_probes_address_serially() -> None:
    names = [f"mail{number}.example.test" for number in range(4)]

    async def run() -> tuple[int, int]:
        zone = "\n".join(f"{name} A 127.0.0.1" for name in names)
        async with nameserver(zone) as dns, mail_host(ehlo=["mail.example.test"]) as server:
            requests = [CheckRequest(CheckKind.SMTP, host=name, port=server.port) for name in names]
            await run_all(requests, network=network_of(dns), budget_seconds=5, concurrency=10)
            return server.connections, server.max_open

    assert asyncio.run(run()) == (4, 1)


TO = "postmaster@example.test"


def test_smtp_recipient_stops_before_data(tmp_path: Path) -> None:
    outcome, server = run_check(tmp_path, certified={}, asked={"recipient": TO})

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, [])
    assert server.commands == [
        *("EHLO probe.invalid", "STARTTLS", "EHLO probe.invalid"),
        *("MAIL FROM:<>", f"RCPT TO:<{TO}>", "QUIT"),
    ]
    assert outcome.evidence["recipient_code"] == 250


@pytest.mark.parametrize(
    ("envelope", "allowed", "verdict", "expected"),
    [
        (("250 ok", "550 5.1.1 nobody"), True, Verdict.FAIL, "smtp.recipient-refused"),
        (("250 ok", "550 5.1.1 nobody"), False, Verdict.UNKNOWN, "smtp.recipient-refused"),
        (("553 not here", "250 ok"), True, Verdict.FAIL, "smtp.recipient-refused"),
        (("250 ok", "451 later"), True, Verdict.UNKNOWN, "smtp.recipient-deferred"),
        (("250 ok", "gibberish"), True, Verdict.UNKNOWN, "smtp.recipient-deferred"),
        # Neither accepted nor rejected: closing, the reply to DATA, and a help text.
        (("250 ok", "221 closing"), True, Verdict.UNKNOWN, "smtp.recipient-deferred"),
        (("250 ok", "354 go on"), True, Verdict.UNKNOWN, "smtp.recipient-deferred"),
        (("250 ok", "214 help"), True, Verdict.UNKNOWN, "smtp.recipient-deferred"),
        (("221 closing", "250 ok"), True, Verdict.UNKNOWN, "smtp.recipient-deferred"),
    ],
)
def test_smtp_refused_recipient(
    tmp_path: Path,
    envelope: tuple[str, str],
    allowed: bool,
    verdict: Verdict,
    expected: str,
) -> None:
    asked = {"recipient": TO, "vantage_allowed": allowed}
    outcome, _ = run_check(tmp_path, certified={}, asked=asked, envelope=envelope)

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])
