"""The delivery hosts in the rows of a sheet, and those of the profile.

Two kinds of sheets show delivery hosts: the sheet of delivery routes by domain, and fixed questions
whose fact is the list of hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onboarding.models import TaskRole
from onboarding.requirements.cell_types import BadValue, hosts_with_ports, text_of_hosts
from onboarding.requirements.columns import SheetDefinition
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.validation import find_question
from tenants.models import Host, Tenant

HOST_FACT = "delivery-hosts"


@dataclass(frozen=True, order=True)
class RouteHost:
    """A delivery host by name and port, as a sheet names it."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


def is_route_sheet(kind: SheetDefinition) -> bool:
    return kind.role == TaskRole.GATHERS_DELIVERY_ROUTES


def host_questions(kind: SheetDefinition) -> list[str]:
    """The keys of the fixed questions whose answer is the list of delivery hosts."""
    return [question.key for question in kind.questions if question.fact == HOST_FACT]


def shows_hosts(kind: SheetDefinition) -> bool:
    return is_route_sheet(kind) or bool(host_questions(kind))


HOST_KINDS = tuple(key for key, kind in DEFINITIONS.items() if shows_hosts(kind))


def hosts_in(kind: SheetDefinition, rows: Iterable[Mapping[str, str]]) -> set[RouteHost]:
    """The hosts of these rows. An answer in prose, from an earlier version, names none."""
    if is_route_sheet(kind):
        return {RouteHost(values["host"], int(values["port"])) for values in rows}
    keys = host_questions(kind)
    found: set[RouteHost] = set()
    for values in rows:
        question = find_question(kind, values["question"])
        if question is not None and question.key in keys:
            found.update(answered_hosts(values["answer"]) or ())
    return found


def answered_hosts(answer: str) -> set[RouteHost] | None:
    """The hosts of an answer; None for prose."""
    try:
        return {RouteHost(name, port) for name, port in hosts_with_ports(answer)}
    except BadValue:
        return None


def answer_of(hosts: Iterable[RouteHost]) -> str:
    """The answer that names these hosts, in the spelling of the sheet."""
    return text_of_hosts((host.name, host.port) for host in hosts)


def hosts_of(tenant: Tenant) -> set[RouteHost]:
    """The delivery hosts of the profile, also the proposed ones. One query."""
    rows = tenant.hosts.filter(purpose=Host.Purpose.DELIVERY)
    return {RouteHost(*each) for each in rows.values_list("name", "port")}
