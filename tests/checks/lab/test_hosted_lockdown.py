"""The lab's stand-in for a hosted mail platform, seen by the lockdown check."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.lab.mail_hosts import LabListener, control_listener, hosted_listener, hosted_refusal
from checks.lab.zone_records import HostedLockdown
from checks.lab.zones import Lab
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import make_certificate, server_context
from tests.checks.engine.outcomes import codes

HOST = "client-test.mail.protection.outlook.test"
RECIPIENT = "postmaster@client.test"


def port_of(listener: LabListener) -> int:
    assert listener.server is not None
    return int(listener.server.sockets[0].getsockname()[1])


def run_check(tmp_path: Path, setting: HostedLockdown, recipient: str = RECIPIENT) -> Outcome:
    tls = server_context(tmp_path, HOST, make_certificate(HOST))

    async def run() -> Outcome:
        hosted = hosted_listener("127.0.0.1", 0, tls, lambda: setting)
        control = control_listener("127.0.0.1", 0)
        async with nameserver(f"{HOST} A 127.0.0.1\n") as dns:
            await hosted.set(is_open=True)
            await control.set(is_open=True)
            request = CheckRequest(
                CheckKind.LOCKDOWN,
                host=HOST,
                port=port_of(hosted),
                control=("127.0.0.1", port_of(control)),
                recipient=recipient,
            )
            network = network_of(dns)
            (outcome,) = await run_all([request], network=network, budget_seconds=5, concurrency=1)
            await hosted.set(is_open=False)
            await control.set(is_open=False)
            return outcome

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("setting", "verdict", "code"),
    [
        (HostedLockdown.OPEN, Verdict.FAIL, "lockdown.open"),
        (HostedLockdown.DIRECT_SEND, Verdict.WARN, "lockdown.direct-send-refused"),
        (HostedLockdown.LOCKED, Verdict.PASS, "lockdown.refused"),
    ],
)
def test_lockdown_of_hosted_mailboxes(
    tmp_path: Path, setting: HostedLockdown, verdict: Verdict, code: str
) -> None:
    outcome = run_check(tmp_path, setting)

    assert (outcome.verdict, codes(outcome)) == (verdict, [code])
    assert outcome.evidence["control_reached"] is True


@pytest.mark.parametrize(
    ("setting", "sender", "status"),
    [
        (HostedLockdown.OPEN, "", ""),
        (HostedLockdown.OPEN, RECIPIENT, ""),
        (HostedLockdown.DIRECT_SEND, "", ""),
        (HostedLockdown.DIRECT_SEND, "bob@outside.test", ""),
        (HostedLockdown.DIRECT_SEND, "Ann@CLIENT.test", "5.7.68"),
        (HostedLockdown.LOCKED, "", "5.7.51"),
        (HostedLockdown.LOCKED, "bob@outside.test", "5.7.51"),
    ],
)
def test_hosted_platform_rejects(setting: HostedLockdown, sender: str, status: str) -> None:
    reply = hosted_refusal(setting, sender, RECIPIENT)

    assert reply.split(" ")[1:2] == ([status] if status else [])


def test_lockdown_setting_survives_a_restart(tmp_path: Path) -> None:
    Lab(tmp_path).lock_hosted(HostedLockdown.LOCKED)

    assert Lab(tmp_path).load().hosted is HostedLockdown.LOCKED


def test_earlier_state_is_open(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.reset()
    lab.file.write_text(lab.file.read_text().replace('"hosted": "open"', '"other": 0'))

    assert lab.load().hosted is HostedLockdown.OPEN
