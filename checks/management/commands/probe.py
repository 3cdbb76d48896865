"""Check one domain now, without a database, and print the outcomes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from checks.engine.batch import CheckRequest, run_all
from checks.engine.dns.network import Endpoint, parse_endpoint
from checks.engine.expected_values import DkimSelector, OwnershipCode, ReceivingSystem
from checks.engine.hosts.prober import DEFAULT_PORTS
from checks.engine.mail.delivery_message import ReceivedInput
from checks.engine.outcomes import SOURCE_KINDS, CheckKind, Finding, Outcome, Verdict
from checks.management.arguments import (
    EXIT_USAGE,
    BadArguments,
    domain_of,
    facts_from,
    message_from,
    nameserver_of,
    plain,
)
from checks.network_settings import network_from_settings
from checks.region_facts import region_facts
from checks.source_expectations import Organisation, source_expectation
from tenants.errors import TenantError
from tenants.names import normalise_host
from tenants.regions import load_regions

EXIT_FAIL, EXIT_UNKNOWN = 1, 2
_NEEDS = {
    CheckKind.OWNERSHIP: "--token",
    CheckKind.DKIM: "--dkim-selector",
    CheckKind.SMTP: "--host",
    CheckKind.LDAPS: "--ldaps-host",
    CheckKind.LOCKDOWN: "--host",
    CheckKind.MESSAGE: "--from-file",
    CheckKind.DELIVERY_MESSAGE: "--received-file",
    **dict.fromkeys(SOURCE_KINDS, "--export-file"),
}


# Plain addresses only: no character may end the SMTP command that contains the address.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


class Command(BaseCommand):
    """`probe DOMAIN --region ID`; see the help of the arguments."""

    help = "Check one domain now, as the workers would, and record nothing."
    requires_system_checks = ()

    def get_version(self) -> str:
        """The text that `--version` prints: Gangway's version instead of Django's."""
        return f"Gangway {settings.VERSION}"

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Then argparse raises its errors, and one sentence below replaces the usage message.
        parser.called_from_command_line = False
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain")
        parser.add_argument("--region", required=True, help="for example us, eu, za")
        parser.add_argument("--token", default="", help="the ownership code from Mimecast")
        parser.add_argument("--label", default="", help="the host label of the CNAME proof")
        parser.add_argument(
            "--dkim-selector",
            metavar="NAME[=KEY]",
            action="append",
            default=[],
            help="a DKIM selector of Mimecast; may be repeated",
        )
        parser.add_argument(
            "--host", metavar="HOST[:PORT]", help="the mail server that receives mail"
        )
        parser.add_argument(
            "--rcpt", metavar="ADDRESS", default="", help="a recipient to test at the host"
        )
        parser.add_argument("--ldaps-host", metavar="HOST[:PORT]", help="the directory host")
        parser.add_argument(
            "--from-file", metavar="FILE", help="a test message, as saved from a mailbox (.eml)"
        )
        parser.add_argument(
            "--received-file",
            metavar="FILE",
            help="a message from outside, as saved from the client's mailbox (.eml)",
        )
        parser.add_argument(
            "--export-file", metavar="FILE", help="an export of the mail platform (.json)"
        )
        parser.add_argument("--only", metavar="KINDS", help=", ".join(CheckKind))
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
        requests = list(_requests(domain, options))
        nameserver = nameserver_of(options["nameserver"])
        observed_at = timezone.now().isoformat(timespec="seconds")
        outcomes = asyncio.run(
            run_all(
                requests,
                network=network_from_settings(nameserver),
                budget_seconds=settings.CHECKS_BUDGET_SECONDS,
                concurrency=settings.CHECKS_CONCURRENCY,
                on_outcome=self._report if sys.stderr.isatty() else None,
            )
        )
        heading = {"domain": domain, "region": options["region"], "observed_at": observed_at}
        written = _document if options["json"] else _table
        self.stdout.write(written(heading, outcomes))
        status = exit_status([outcome.verdict for outcome in outcomes])
        if status:
            sys.exit(status)

    def _report(self, request: CheckRequest, outcome: Outcome) -> None:
        self.stderr.write(f"{request.kind} {request.subject}: {outcome.verdict}")


def exit_status(verdicts: Sequence[Verdict]) -> int:
    """0 without FAIL and UNKNOWN, 1 with any FAIL, 2 with UNKNOWN and without FAIL."""
    if Verdict.FAIL in verdicts:
        return EXIT_FAIL
    return EXIT_UNKNOWN if Verdict.UNKNOWN in verdicts else 0


def _requests(domain: str, options: dict[str, Any]) -> Iterator[CheckRequest]:
    """One request for each selected kind, or for each kind with enough arguments."""
    regions = load_regions()
    if options["region"] not in regions:
        known = ", ".join(regions)
        raise BadArguments(f"There is no region “{options['region']}”; there are {known}.")
    delivery = _host(options["host"], CheckKind.SMTP)
    hosts = {
        CheckKind.SMTP: delivery,
        CheckKind.LOCKDOWN: delivery,
        CheckKind.LDAPS: _host(options["ldaps_host"], CheckKind.LDAPS),
    }
    region = regions[options["region"]]
    facts = region_facts(region)
    shown = message_from(options["from_file"])
    received = message_from(options["received_file"])
    exported = facts_from(options["export_file"])
    organisation = Organisation(domain, [domain], [domain])
    proof = OwnershipCode(options["token"].strip(), options["label"].strip().lower())
    for kind in _kinds(options, proof):
        host, port = hosts.get(kind, ("", 0))
        yield CheckRequest(
            kind=kind,
            domain=domain,
            host=host,
            port=port,
            region=facts,
            ownership=proof,
            selectors=tuple(_selector(text) for text in options["dkim_selector"]),
            ttl_threshold=settings.CHECKS_TTL_THRESHOLD_SECONDS,
            recipient=_recipient(options),
            control=settings.CHECKS_CONTROL_TARGET,
            message=shown,
            received=ReceivedInput(received.content, received.at) if received else None,
            system=ReceivingSystem(delivery_hosts=(delivery[0],) if delivery[0] else ()),
            vantage_allowed=settings.CHECKS_VANTAGE_ALLOWED,
            facts=exported.get(kind),
            expected=source_expectation(kind, organisation, region) if kind in SOURCE_KINDS else {},
        )


def _kinds(options: dict[str, Any], proof: OwnershipCode) -> list[CheckKind]:
    given = {
        CheckKind.OWNERSHIP: bool(proof.token or proof.label),
        CheckKind.DKIM: bool(options["dkim_selector"]),
        CheckKind.SMTP: bool(options["host"]),
        CheckKind.LOCKDOWN: bool(options["host"]),
        CheckKind.LDAPS: bool(options["ldaps_host"]),
        CheckKind.MESSAGE: bool(options["from_file"]),
        CheckKind.DELIVERY_MESSAGE: bool(options["received_file"]),
        **dict.fromkeys(SOURCE_KINDS, bool(options["export_file"])),
    }
    if options["only"] is None:
        # Before the lockdown, the lockdown check expects the opposite of the smtp check.
        return [
            kind for kind in CheckKind if given.get(kind, True) and kind is not CheckKind.LOCKDOWN
        ]
    names = [name.strip() for name in options["only"].split(",") if name.strip()]
    unknown = [name for name in names if name not in set(CheckKind)]
    if unknown or not names:
        named = f"“{unknown[0]}” is no check; " if unknown else ""
        raise BadArguments(f"{named}--only takes a list of {', '.join(CheckKind)}.")
    kinds = [kind for kind in CheckKind if kind in names]
    for kind in kinds:
        if not given.get(kind, True):
            raise BadArguments(f"{_NEEDS[kind]} is missing: without it {kind} cannot be asked.")
    return kinds


def _selector(text: str) -> DkimSelector:
    selector = DkimSelector.read(text.strip())
    if not selector.is_well_formed:
        raise BadArguments(f"“{text}” is not a DKIM selector, such as mimecast20261101.")
    return selector


def _recipient(options: dict[str, Any]) -> str:
    address = str(options["rcpt"]).strip()
    if not address:
        return ""
    if not _ADDRESS.fullmatch(address) or len(address) > 254:
        raise BadArguments(f"“{address}” is not an address, such as postmaster@example.com.")
    if not options["host"]:
        raise BadArguments("--host is missing: --rcpt needs a host to ask.")
    return address


def _host(text: str | None, kind: CheckKind) -> Endpoint:
    if text is None:
        return ("", 0)
    endpoint = parse_endpoint(text.strip(), DEFAULT_PORTS[kind])
    if endpoint is None:
        raise BadArguments(f"“{text}” is not a host with a port, such as mail.example.com:25.")
    try:
        return (normalise_host(endpoint[0]), endpoint[1])
    except TenantError as error:
        raise BadArguments(str(error)) from error


def _document(heading: dict[str, str], outcomes: Sequence[Outcome]) -> str:
    results = [
        {
            "check": str(outcome.kind),
            "subject": outcome.subject,
            "verdict": str(outcome.verdict),
            "findings": [{"code": f.code, "params": dict(f.params)} for f in outcome.findings],
            "evidence": dict(outcome.evidence),
        }
        for outcome in outcomes
    ]
    return json.dumps({**heading, "results": results}, indent=2)


def _table(heading: dict[str, str], outcomes: Sequence[Outcome]) -> str:
    width = max([len("subject"), *(len(outcome.subject) for outcome in outcomes)])
    lines = [
        f"{heading['domain']}, region {heading['region']}, seen {heading['observed_at']}",
        "",
        f"{'check':<10} {'subject':<{width}} verdict",
    ]
    for outcome in outcomes:
        verdict = str(outcome.verdict).replace("_", " ")
        lines.append(f"{outcome.kind:<10} {outcome.subject:<{width}} {verdict}")
        lines += [f"{'':<10} {_sentence(finding)}" for finding in outcome.findings]
        lines += [f"{'':<10} {row}" for row in _server_rows(outcome)]
    return "\n".join(lines)


def _sentence(finding: Finding) -> str:
    params = ", ".join(f"{name} {plain(value)}" for name, value in finding.params.items())
    return f"- {finding.code}" + (f": {params}" if params else "")


def _server_rows(outcome: Outcome) -> Iterator[str]:
    for row in outcome.evidence.get("servers", ()):
        values = plain(row["values"]) if row["values"] else row["status"]
        yield f"  {row['name']} ({row['address']}): {values}"
