"""Lockdown against real listeners on loopback: silence needs a reachable control target."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import replace

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.hosts import lockdown, prober
from checks.engine.hosts.prober import ConnectionFailure
from checks.engine.hosts.smtp import SmtpDialogue, SmtpReply
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import mail_host
from tests.checks.engine.outcomes import code_params, codes, params

HOST, CONTROL = "mail.example.test", "control.example.test"
HOSTED = "example-test.mail.protection.outlook.com"
ZONE = f"{HOST} A 127.0.0.1\n{CONTROL} A 127.0.0.2\n"
CLOSED_PORT = 9
GREETED = SmtpReply(250, ("mail.example.test", "STARTTLS"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_check(
    *,
    closed: bool = False,
    control_closed: bool = False,
    control: bool = True,
    allowed: bool = False,
    greeting: str = "220 mail.example.test ESMTP",
) -> Outcome:
    async def run() -> Outcome:
        async with (
            nameserver(ZONE) as dns,
            mail_host(greeting=greeting, ehlo=("hello",)) as server,
            mail_host(ehlo=("hello",)) as other,
        ):
            reference = ("127.0.0.1", CLOSED_PORT if control_closed else other.port)
            port = CLOSED_PORT if closed else server.port
            (outcome,) = await run_all(
                [
                    CheckRequest(
                        CheckKind.LOCKDOWN,
                        host=HOST,
                        port=port,
                        control=reference if control else None,
                        vantage_allowed=allowed,
                    )
                ],
                network=network_of(dns),
                budget_seconds=5,
                concurrency=1,
            )
            return outcome

    return asyncio.run(run())


def test_lockdown_closed_port_passes() -> None:
    outcome = run_check(closed=True)

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (
        Verdict.PASS,
        True,
        ["lockdown.closed"],
    )
    assert outcome.evidence["control_reached"] is True


def test_lockdown_silent_control_is_unknown() -> None:
    outcome = run_check(closed=True, control_closed=True)

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (
        Verdict.UNKNOWN,
        False,
        ["lockdown.control-failed"],
    )


@pytest.mark.parametrize("control_closed", [True, False])
def test_lockdown_greeting_fails(control_closed: bool) -> None:
    outcome = run_check(control_closed=control_closed)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["lockdown.open"])


def test_lockdown_refusing_greeting_passes() -> None:
    outcome = run_check(greeting="550 5.7.51 TenantInboundAttribution; Rejecting")

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["lockdown.refused"])


def test_lockdown_needs_control_and_outside_vantage() -> None:
    assert codes(run_check(closed=True, control=False)) == ["lockdown.no-control"]
    assert codes(run_check(closed=True, allowed=True)) == ["lockdown.allowed-vantage"]
    assert run_check(closed=True, allowed=True).verdict is Verdict.UNKNOWN


WELCOME = SmtpReply(220, ("hello",))
ACCEPTED = SmtpReply(250, ("ok",))
DIRECT_SEND = SmtpReply(550, ("5.7.68 TenantInboundAttribution; Direct Send not allowed",))


@pytest.mark.parametrize(
    ("host", "result", "verdict", "expected"),
    [
        (HOSTED, SmtpDialogue(WELCOME), Verdict.UNKNOWN, "lockdown.hosted-inconclusive"),
        (
            HOSTED,
            SmtpDialogue(
                WELCOME, recipient=SmtpReply(550, ("5.7.51 TenantInboundAttribution; …",))
            ),
            Verdict.PASS,
            "lockdown.refused",
        ),
        (
            HOSTED,
            SmtpDialogue(WELCOME, recipient=SmtpReply(550, ("5.7.68 Direct Send is not allowed",))),
            Verdict.WARN,
            "lockdown.direct-send-refused",
        ),
        (
            HOSTED,
            SmtpDialogue(WELCOME, recipient=ACCEPTED, own_sender=DIRECT_SEND),
            Verdict.WARN,
            "lockdown.direct-send-refused",
        ),
        (
            HOSTED,
            SmtpDialogue(WELCOME, recipient=ACCEPTED, own_sender=ACCEPTED),
            Verdict.UNKNOWN,
            "lockdown.hosted-inconclusive",
        ),
        (
            HOSTED,
            SmtpDialogue(WELCOME, recipient=ACCEPTED, own_sender=SmtpReply(451, ("5.7.68 later",))),
            Verdict.UNKNOWN,
            "lockdown.hosted-inconclusive",
        ),
        (
            HOSTED,
            SmtpDialogue(
                WELCOME, recipient=ACCEPTED, own_sender=SmtpReply(550, ("5.7.680 other",))
            ),
            Verdict.UNKNOWN,
            "lockdown.hosted-inconclusive",
        ),
        (
            HOST,
            SmtpDialogue(WELCOME, recipient=ACCEPTED, own_sender=SmtpReply(550, ("5.7.1 spoof",))),
            Verdict.FAIL,
            "lockdown.open",
        ),
        *(
            (host, result, Verdict.UNKNOWN, code)
            for host in ("smtp.google.com", "aspmx.l.google.com", "aspmx2.googlemail.com")
            for result, code in (
                (SmtpDialogue(WELCOME), "lockdown.hosted-inconclusive"),
                (SmtpDialogue(WELCOME, recipient=ACCEPTED), "lockdown.hosted-inconclusive"),
                (ConnectionFailure("timeout"), "lockdown.unclear"),
            )
        ),
        (
            "mail.notgoogle.com",
            SmtpDialogue(WELCOME, SmtpReply(250), recipient=ACCEPTED),
            Verdict.FAIL,
            "lockdown.open",
        ),
        (
            HOSTED,
            SmtpDialogue(WELCOME, recipient=SmtpReply(550, ("5.7.512 something else",))),
            Verdict.UNKNOWN,
            "lockdown.hosted-inconclusive",
        ),
        (
            HOSTED,
            SmtpDialogue(WELCOME, recipient=SmtpReply(451, ("5.7.51 later",))),
            Verdict.UNKNOWN,
            "lockdown.hosted-inconclusive",
        ),
        (
            "a.b.mx.microsoft",
            SmtpDialogue(WELCOME, recipient=SmtpReply(250, ("ok",))),
            Verdict.UNKNOWN,
            "lockdown.hosted-inconclusive",
        ),
        (HOSTED, ConnectionFailure("timeout"), Verdict.UNKNOWN, "lockdown.unclear"),
        (
            f"{HOSTED}.example.net",
            SmtpDialogue(WELCOME, recipient=SmtpReply(250, ("ok",))),
            Verdict.FAIL,
            "lockdown.open",
        ),
        (
            HOST,
            SmtpDialogue(WELCOME, recipient=SmtpReply(550, ("5.1.1 nobody",))),
            Verdict.FAIL,
            "lockdown.open",
        ),
        # Field case 12: Postfix rejects the client at RCPT TO.
        *(
            (
                HOST,
                SmtpDialogue(WELCOME, recipient=SmtpReply(code, (text,))),
                Verdict.UNKNOWN,
                "lockdown.refused-by-policy",
            )
            for code, text in (
                (554, "5.7.1 <unknown[198.51.100.9]>: Client host rejected: Access denied"),
                (550, "5.7.1 Service unavailable; blocked using a block list"),
                (550, "5.7.0 Local policy"),
                (571, "Delivery not authorised"),
                # Digits of an address are no status.
                (554, "5.7.1 <unknown[5.9.12.34]>: Client host rejected: Access denied"),
                (554, "5.7.1 <static.34.12.5.9.1.example.net[5.9.1.20]>: Access denied"),
                (550, "Service unavailable, client host [198.5.1.20] blocked"),
                (550, "5.1.20.198 is blocked"),
                # A status of the sender, and a policy behind another status.
                (553, "5.1.8 Domain of sender address does not exist"),
                (550, "5.1.7 The sender address is not valid"),
                (550, "5.4.1 <ann@example.test>: 5.7.1 Access denied"),
                (550, "5.4.1 Recipient address rejected, 5.7.1."),
                # A policy in words.
                (550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)"),
                (550, "5.1.1 Your address is on our blacklist"),
                (554, "5.1.1 Mail from 198.51.100.9 is blocked"),
                (550, "5.2.0 Message rejected: sender reputation"),
                (550, "5.6.0 Prohibited by policy"),
                # Without a reason, or with one that concerns the system.
                (550, "5.0.0 Access denied"),
                (553, "5.1.0 Sender rejected"),
                (521, "5.3.2 Host does not accept mail"),
                (504, "5.5.2 <probe.invalid>: Helo command rejected"),
                (530, "5.5.1 Authentication Required"),
            )
        ),
        *(
            (HOST, SmtpDialogue(WELCOME, recipient=reply), Verdict.FAIL, "lockdown.open")
            for reply in (
                SmtpReply(552, ("5.2.2 mailbox full",)),
                SmtpReply(550, ("5.1.10 null MX",)),
                SmtpReply(550, ("5.3.4 too big",)),
                SmtpReply(550, ("5.1.1 <x>: Recipient address rejected: User unknown",)),
                SmtpReply(550, ("5.4.1 No such domain here",)),
            )
        ),
        (HOST, SmtpDialogue(SmtpReply(421, ("busy",))), Verdict.UNKNOWN, "lockdown.unclear"),
        (HOST, SmtpDialogue(SmtpReply()), Verdict.UNKNOWN, "lockdown.unclear"),
        (HOST, ConnectionFailure("timeout"), Verdict.PASS, "lockdown.closed"),
        (HOST, ConnectionFailure("reset"), Verdict.UNKNOWN, "lockdown.unclear"),
        (HOST, ConnectionFailure("unreachable"), Verdict.UNKNOWN, "lockdown.unclear"),
    ],
)
def test_lockdown_judge(
    host: str, result: SmtpDialogue | ConnectionFailure, verdict: Verdict, expected: str
) -> None:
    judged, finding = lockdown.judge(host, 25, result, control=None)

    assert (judged, [code for code, _ in code_params([finding])]) == (verdict, [expected])


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (SmtpDialogue(SmtpReply()), "no greeting"),
        (SmtpDialogue(SmtpReply(), waited_seconds=10), "no reply within 10 s"),
        (SmtpDialogue(SmtpReply(421, ("busy",))), "421 busy"),
        (
            SmtpDialogue(WELCOME, GREETED, tls_error="454 later", is_recipient_untried=True),
            "STARTTLS: 454 later",
        ),
        (ConnectionFailure("reset"), "reset"),
    ],
)
def test_lockdown_unclear_states_its_reason(
    result: SmtpDialogue | ConnectionFailure, reason: str
) -> None:
    _, finding = lockdown.judge(HOST, 25, result, control=None)

    assert finding.params["reason"] == reason


def probe_addresses(zone: str, open_at: Sequence[str]) -> Outcome:
    """The host has the addresses of the zone. It greets at `open_at` and is closed elsewhere."""

    async def run() -> Outcome:
        async with (
            nameserver(zone + f"{CONTROL} A 127.0.0.2\n") as dns,
            mail_host(ehlo=("hello",)) as other,
            contextlib.AsyncExitStack() as stack,
        ):
            port = free_port()
            for address in open_at:
                host = mail_host(ehlo=("hello",), address=address, port=port)
                await stack.enter_async_context(host)
            request = CheckRequest(
                CheckKind.LOCKDOWN, host=HOST, port=port, control=("127.0.0.1", other.port)
            )
            (outcome,) = await run_all(
                [request], network=network_of(dns), budget_seconds=5, concurrency=1
            )
            return outcome

    return asyncio.run(run())


def addresses(*last: int) -> str:
    return "".join(f"{HOST} A 127.0.0.{each}\n" for each in last)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "open_at", "verdict", "expected"),
    [
        # Field case 02: the fourth address is open.
        (addresses(11, 12, 13, 14), ["127.0.0.14"], Verdict.FAIL, "lockdown.open"),
        (addresses(*range(11, 22)), ["127.0.0.21"], Verdict.FAIL, "lockdown.open"),
        (addresses(11, 12), ["127.0.0.11"], Verdict.FAIL, "lockdown.open"),
        (addresses(11, 12, 13, 14), [], Verdict.PASS, "lockdown.closed"),
        # Field case 03: an address without a route, and one that the guard refuses.
        (
            addresses(11) + f"{HOST} AAAA 2a00:1450:4001::25\n",
            [],
            Verdict.UNKNOWN,
            "lockdown.untried",
        ),
        (addresses(11) + f"{HOST} A 10.1.2.3\n", [], Verdict.UNKNOWN, "lockdown.untried"),
        (addresses(11) + f"{HOST} A 10.1.2.3\n", ["127.0.0.11"], Verdict.FAIL, "lockdown.open"),
        (addresses(*range(11, 40)), [], Verdict.UNKNOWN, "lockdown.untried"),
    ],
)
def test_lockdown_needs_every_address(
    zone: str, open_at: list[str], verdict: Verdict, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "has_route", lambda address: False)

    outcome = probe_addresses(zone, open_at)

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])
    if open_at:
        assert outcome.evidence["address"] == open_at[0]


def test_lockdown_names_untried_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "has_route", lambda address: False)
    zone = addresses(11) + f"{HOST} A 10.1.2.3\n{HOST} AAAA 2a00:1450:4001::25\n"

    outcome = probe_addresses(zone, [])

    assert params(outcome, "lockdown.untried")["addresses"] == ["10.1.2.3", "2a00:1450:4001::25"]
    assert [row["address"] for row in outcome.evidence["tried"]] == ["127.0.0.11"]


CONNECTOR = "550 5.7.51 TenantInboundAttribution"


@pytest.mark.parametrize(
    ("replies", "more", "verdict", "expected"),
    [
        ([CONNECTOR, CONNECTOR], "", Verdict.PASS, "lockdown.refused"),
        ([CONNECTOR, "250 ok"], "", Verdict.UNKNOWN, "lockdown.hosted-inconclusive"),
        (["250 ok", CONNECTOR], "", Verdict.UNKNOWN, "lockdown.hosted-inconclusive"),
        ([CONNECTOR, CONNECTOR, "250 ok"], "", Verdict.UNKNOWN, "lockdown.hosted-inconclusive"),
        ([CONNECTOR, "550 5.7.68 Direct Send"], "", Verdict.WARN, "lockdown.direct-send-refused"),
        ([CONNECTOR], "AAAA 2a00:1450:4001::25", Verdict.UNKNOWN, "lockdown.untried"),
        ([CONNECTOR], "A 10.1.2.3", Verdict.UNKNOWN, "lockdown.untried"),
    ],
)
def test_hosted_platform_needs_every_address(
    replies: list[str], more: str, verdict: Verdict, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "has_route", lambda address: False)
    zone = "".join(f"{HOSTED} A 127.0.0.{11 + n}\n" for n in range(len(replies)))
    zone += f"{HOSTED} {more}\n" if more else ""

    async def run() -> Outcome:
        async with nameserver(zone) as dns, contextlib.AsyncExitStack() as stack:
            port = free_port()
            for number, reply in enumerate(replies):
                host = mail_host(
                    ehlo=("hello",),
                    envelope=("250 ok", reply),
                    address=f"127.0.0.{11 + number}",
                    port=port,
                )
                await stack.enter_async_context(host)
            request = CheckRequest(
                CheckKind.LOCKDOWN,
                host=HOSTED,
                port=port,
                control=("127.0.0.11", port),
                recipient="ann@example.test",
            )
            # On a busy machine, a slow host must not look like a silent one.
            network = replace(network_of(dns), connect_timeout_seconds=5.0)
            (found,) = await run_all([request], network=network, budget_seconds=30, concurrency=1)
            return found

    outcome = asyncio.run(run())

    assert (outcome.verdict, codes(outcome)) == (verdict, [expected])
    assert len(outcome.evidence["tried"]) == len(replies)


def test_partial_lockdown_of_one_address_decides() -> None:
    partial = SmtpDialogue(WELCOME, recipient=DIRECT_SEND)
    full = SmtpDialogue(WELCOME, recipient=SmtpReply(550, ("5.7.51 TenantInbound",)))
    results = [("192.0.2.1", full), ("192.0.2.2", partial)]

    decided = lockdown.judge_all(HOST, 25, results, [], control=None)

    assert decided[:2] == ("192.0.2.2", Verdict.WARN)


def commands_of(envelope: tuple[str, str] = ("250 ok", "250 ok")) -> list[str]:
    """The commands of a lockdown check with a recipient."""

    async def run() -> list[str]:
        async with (
            nameserver(ZONE) as dns,
            mail_host(ehlo=("hello",), envelope=envelope) as server,
        ):
            server.replies["RSET"] = "250 ok"
            request = CheckRequest(
                CheckKind.LOCKDOWN,
                host=HOST,
                port=server.port,
                control=("127.0.0.1", server.port),
                recipient="ann@example.test",
            )
            network = network_of(dns)
            await run_all([request], network=network, budget_seconds=5, concurrency=1)
            return server.commands

    return asyncio.run(run())


def test_rejected_recipient_is_not_tried_again() -> None:
    commands = commands_of(("250 ok", "550 5.7.51 TenantInboundAttribution"))

    assert commands[1:4] == ["MAIL FROM:<>", "RCPT TO:<ann@example.test>", "QUIT"]


def test_own_sender_is_tried_without_a_message() -> None:
    """The null sender first, then the recipient as its own sender, and never DATA."""
    commands = commands_of()

    assert commands[1:7] == [
        "MAIL FROM:<>",
        "RCPT TO:<ann@example.test>",
        "RSET",
        "MAIL FROM:<ann@example.test>",
        "RCPT TO:<ann@example.test>",
        "QUIT",
    ]
    assert "DATA" not in commands


@pytest.mark.parametrize(
    ("recipient", "verdict", "code"),
    [
        ("ann@example.test", Verdict.UNKNOWN, "lockdown.unclear"),
        ("", Verdict.FAIL, "lockdown.open"),
    ],
)
def test_recipient_after_failed_starttls_is_untried(
    recipient: str, verdict: Verdict, code: str
) -> None:
    """A server may refuse strangers at RCPT TO, which the dialogue did not reach."""

    async def run() -> Outcome:
        async with nameserver(ZONE) as dns, mail_host(starttls="454 4.7.0 later") as server:
            request = CheckRequest(
                CheckKind.LOCKDOWN,
                host=HOST,
                port=server.port,
                control=("127.0.0.1", server.port),
                recipient=recipient,
            )
            network = network_of(dns)
            (found,) = await run_all([request], network=network, budget_seconds=5, concurrency=1)
            return found

    outcome = asyncio.run(run())

    assert (outcome.verdict, codes(outcome)) == (verdict, [code])


def recipient(text: str) -> SmtpDialogue:
    return SmtpDialogue(WELCOME, SmtpReply(250), recipient=SmtpReply(int(text[:3]), (text[4:],)))


def hello(text: str) -> SmtpDialogue:
    return SmtpDialogue(WELCOME, SmtpReply(int(text[:3]), (text[4:],)))


@pytest.mark.parametrize(
    ("result", "verdict", "expected"),
    [
        (hello("554 5.7.1 Access denied"), Verdict.UNKNOWN, "lockdown.refused-by-policy"),
        (hello("550 not from here"), Verdict.UNKNOWN, "lockdown.refused-by-policy"),
        (hello("421 later"), Verdict.UNKNOWN, "lockdown.refused-by-policy"),
        (replace(hello("500 what"), is_helo=True), Verdict.FAIL, "lockdown.open"),
        (hello("250 me"), Verdict.FAIL, "lockdown.open"),
        (SmtpDialogue(WELCOME), Verdict.UNKNOWN, "lockdown.unclear"),
        (recipient("450 4.2.0 greylisted"), Verdict.UNKNOWN, "lockdown.refused-by-policy"),
        (recipient("251 will forward"), Verdict.FAIL, "lockdown.open"),
        (recipient("252 cannot verify"), Verdict.FAIL, "lockdown.open"),
        (recipient("221 closing"), Verdict.UNKNOWN, "lockdown.unclear"),
        (recipient("354 go on"), Verdict.UNKNOWN, "lockdown.unclear"),
        (recipient("214 help"), Verdict.UNKNOWN, "lockdown.unclear"),
        (hello("221 closing"), Verdict.UNKNOWN, "lockdown.unclear"),
        (recipient("451 4.7.1 later"), Verdict.UNKNOWN, "lockdown.refused-by-policy"),
        (
            SmtpDialogue(WELCOME, SmtpReply(250), recipient=SmtpReply()),
            Verdict.UNKNOWN,
            "lockdown.unclear",
        ),
        *(
            (
                SmtpDialogue(SmtpReply(554, (text,))),
                Verdict.UNKNOWN,
                "lockdown.refused-by-policy",
            )
            for text in (
                "5.7.1 Service unavailable; client blocked using zen.spamhaus.org",
                "Your address is on a blacklist",
                "5.7.1 - ERROR: Mail refused - <1.2.3.4> - See https://ipcheck.example/?ip=1.2.3.4",
                "Blocked by CBL",
                "Dynamic IP addresses not accepted",
                "Sender IP blocked for abuse",
                "no SMTP here",
                "5.7.25 cannot find your reverse hostname",
                "Too many connections",
            )
        ),
        (SmtpDialogue(SmtpReply(550, ("5.7.51 closed",))), Verdict.PASS, "lockdown.refused"),
    ],
)
def test_lockdown_rejection_is_not_open(
    result: SmtpDialogue, verdict: Verdict, expected: str
) -> None:
    judged, finding = lockdown.judge(HOST, 25, result, control=None)

    assert (judged, [code for code, _ in code_params([finding])]) == (verdict, [expected])
