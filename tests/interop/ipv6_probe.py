"""Run the lockdown check of a host with A and AAAA in the network namespace of this process.

Arguments: the public IPv6 address, then "open" if a server greets at it. Prints JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from checks.engine.batch import CheckRequest, run_all
from checks.engine.outcomes import CheckKind, Outcome
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import mail_host

HOST = "six.example.test"
# The only port at which a public address may be probed without an exception.
PORT = 25


async def run(address: str, *, is_open: bool) -> Outcome:
    zone = f"{HOST} A 127.0.0.70\n{HOST} AAAA {address}\n"
    async with contextlib.AsyncExitStack() as stack:
        dns = await stack.enter_async_context(nameserver(zone))
        control = await stack.enter_async_context(mail_host(ehlo=("hello",)))
        if is_open:
            await stack.enter_async_context(mail_host(ehlo=("hello",), address=address, port=PORT))
        (outcome,) = await run_all(
            [
                CheckRequest(
                    CheckKind.LOCKDOWN, host=HOST, port=PORT, control=("127.0.0.1", control.port)
                )
            ],
            network=network_of(dns),
            budget_seconds=10,
            concurrency=1,
        )
        return outcome


if __name__ == "__main__":
    outcome = asyncio.run(run(sys.argv[1], is_open="open" in sys.argv[2:]))
    codes = [finding.code for finding in outcome.findings]
    sys.stdout.write(json.dumps({"verdict": outcome.verdict.value, "codes": codes}))
