"""Print the profile suggestions for a domain from its DNS. Nothing is recorded."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from checks.engine import discovery
from checks.engine.discovery import DiscoveryResult
from checks.engine.dns.network import Network
from checks.engine.dns.network_lookup import NetworkLookup
from checks.management.arguments import (
    EXIT_USAGE,
    BadArguments,
    domain_of,
    nameserver_of,
    plain,
)
from checks.network_settings import network_from_settings

EXIT_UNKNOWN = 2


class Command(BaseCommand):
    """`discover DOMAIN`; exit status 2 if a question has no answer."""

    help = "Suggest a profile for a new domain from its DNS. Suggestions only; nothing is recorded."
    requires_system_checks = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Then argparse raises its errors, and one sentence below replaces the usage message.
        parser.called_from_command_line = False
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain")
        parser.add_argument("--nameserver", metavar="IP[:PORT]", help="query this resolver instead")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except (BadArguments, CommandError) as error:
            self.stderr.write(str(error).removeprefix("Error: "))
            sys.exit(EXIT_USAGE)

    def handle(self, *args: Any, **options: Any) -> None:
        domain = domain_of(options["domain"])
        network = network_from_settings(nameserver_of(options["nameserver"]))
        found = asyncio.run(_discover(domain, network))
        if found is None:
            seconds = settings.CHECKS_BUDGET_SECONDS
            self.stderr.write(f"{domain} did not answer within {seconds} s.")
            sys.exit(EXIT_UNKNOWN)
        document = json.dumps(found.as_data(), indent=2)
        self.stdout.write(document if options["json"] else "\n".join(_lines(found)))
        if found.unanswered:
            sys.exit(EXIT_UNKNOWN)


async def _discover(domain: str, network: Network) -> DiscoveryResult | None:
    lookup = NetworkLookup(network)
    try:
        async with asyncio.timeout(settings.CHECKS_BUDGET_SECONDS):
            return await discovery.inspect(domain, lookup)
    except TimeoutError:
        return None
    finally:
        await lookup.close()


def _policy(found: DiscoveryResult) -> str:
    """Return the policy that applies, with the domain of an inherited record."""
    is_inherited = found.dmarc_domain not in ("", found.domain)
    return f"{found.dmarc_policy} (of {found.dmarc_domain})" if is_inherited else found.dmarc_policy


def _lines(found: DiscoveryResult) -> Iterator[str]:
    senders = [f"{s.term} ({s.name})" if s.name else s.term for s in found.senders]
    rows = {
        "platform": found.platform or "no guess",
        "gateway": found.gateway,
        "delivery host": found.delivery_host,
        "onmicrosoft": found.onmicrosoft,
        "MX": list(found.mx) or "none",
        "MX TTL": found.mx_ttl,
        "senders": senders or "none",
        "SPF lookups": found.spf_lookups,
        "DKIM selectors": list(found.dkim_selectors) or "none of the usual ones",
        "DMARC": found.dmarc or "none",
        "DMARC policy": _policy(found),
        "MTA-STS": "published" if found.mta_sts else "none",
        "DNS host": list(found.dns_hosts) or list(found.name_servers),
        "could not ask": list(found.unanswered),
    }
    yield f"{found.domain}: suggestions, to be confirmed"
    yield ""
    for name, value in rows.items():
        if value not in ("", [], None):
            yield f"{name:<15} {plain(value)}"
