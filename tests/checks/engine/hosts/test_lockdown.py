"""Lockdown against real listeners on loopback: silence needs a reachable control target."""

from __future__ import annotations

import asyncio

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.hosts import lockdown
from checks.engine.hosts.prober import ConnectionFailure
from checks.engine.hosts.smtp import SmtpDialogue, SmtpReply
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import mail_host
from tests.checks.engine.outcomes import code_params, codes

HOST, CONTROL = "mail.example.test", "control.example.test"
HOSTED = "example-test.mail.protection.outlook.com"
ZONE = f"{HOST} A 127.0.0.1\n{CONTROL} A 127.0.0.2\n"
CLOSED_PORT = 9


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
    outcome = run_check(greeting="554 go away")

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["lockdown.refused"])


def test_lockdown_needs_control_and_outside_vantage() -> None:
    assert codes(run_check(closed=True, control=False)) == ["lockdown.no-control"]
    assert codes(run_check(closed=True, allowed=True)) == ["lockdown.allowed-vantage"]
    assert run_check(closed=True, allowed=True).verdict is Verdict.UNKNOWN


WELCOME = SmtpReply(220, ("hello",))


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
            Verdict.PASS,
            "lockdown.refused",
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
