"""Run the checks of a host with A and AAAA in the network namespace of this process.

Arguments: the public IPv6 address, then "open" if a server greets at it, "alone" if the host has no
A record, and "smtp" for the check of the mail server instead of that of its lockdown. Prints JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence

from checks.engine.batch import CheckRequest, run_all
from checks.engine.outcomes import CheckKind, Outcome
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import mail_host

HOST = "six.example.test"
# The only port at which a public address may be probed without an exception.
PORT = 25


async def run(address: str, options: Sequence[str]) -> Outcome:
    zone = f"{HOST} AAAA {address}\n"
    zone += "" if "alone" in options else f"{HOST} A 127.0.0.70\n"
    kind = CheckKind.SMTP if "smtp" in options else CheckKind.LOCKDOWN
    async with contextlib.AsyncExitStack() as stack:
        dns = await stack.enter_async_context(nameserver(zone))
        control = await stack.enter_async_context(mail_host(ehlo=("hello",)))
        if "open" in options:
            await stack.enter_async_context(mail_host(ehlo=("hello",), address=address, port=PORT))
        (outcome,) = await run_all(
            [
                CheckRequest(
                    kind,
                    host=HOST,
                    port=PORT,
                    vantage_allowed="smtp" in options,
                    control=("127.0.0.1", control.port),
                )
            ],
            network=network_of(dns),
            budget_seconds=10,
            concurrency=1,
        )
        return outcome


if __name__ == "__main__":
    outcome = asyncio.run(run(sys.argv[1], sys.argv[2:]))
    codes = [finding.code for finding in outcome.findings]
    sys.stdout.write(json.dumps({"verdict": outcome.verdict.value, "codes": codes}))
