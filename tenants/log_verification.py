"""Verifies the activity logs: each line, each chain, and the chains that must exist.

Reads only. Other processes may write at the same time: a chain that grows during its verification
is verified up to the length that it had at the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Max

from tenants import database_time
from tenants.activity import HASH_VERSION, hash_of
from tenants.activity_names import ActivityName, stored_names
from tenants.commitments import commitments_in
from tenants.models import ActivityChain, ActivityLine, ErasurePermit, Tenant

# One line of `verify_log`, of the e-mail to administrators, or of heads.txt in a closing pack. A
# quoted e-mail has "> " before it.
_HEAD = re.compile(r"(?:>\s?)*(?P<scope>[\w-]{1,32}) (?P<length>\d{1,10}) (?P<head>[0-9a-f]{64})\b")

_REGISTERED_AFTER = timedelta(days=2)


@dataclass(frozen=True)
class LogReport:
    """The result of one log's check. `fault` is a sentence without a full stop, or empty."""

    scope: str
    length: int
    head: str
    fault: str = ""


@dataclass(frozen=True)
class Head:
    """The hash of line `length` of the log `scope`, as it was printed or published."""

    scope: str
    length: int
    head: str

    def __str__(self) -> str:
        return f"{self.scope} {self.length} {self.head}"


@dataclass
class _InstallationFacts:
    """Content of the installation's log that explains or requires the state of other logs."""

    erased: set[str] = field(default_factory=set)
    registered: set[str] = field(default_factory=set)
    # Lines of the installation's log without parameters, or without their address, by an erasure.
    emptied: set[int] = field(default_factory=set)
    without_address: set[int] = field(default_factory=set)


def current_heads(scopes: Iterable[str] | None = None) -> list[Head]:
    """The heads of all logs, or of some, the installation's first. Logs without lines have none."""
    chains = ActivityChain.objects.filter(length__gt=0).order_by("pk")
    if scopes is not None:
        chains = chains.filter(scope__in=list(scopes))
    heads = [Head(chain.scope, chain.length, chain.head) for chain in chains]
    return sorted(heads, key=lambda each: each.scope != ActivityChain.INSTALLATION)


def read_heads(text: str) -> list[Head]:
    """The heads in a text: one at the start of a line, and anything after it. Other lines are
    ignored, so that a whole e-mail can be stored."""
    found = (_HEAD.match(line.strip()) for line in text.splitlines())
    return [Head(m["scope"], int(m["length"]), m["head"]) for m in found if m is not None]


def verify_logs() -> Iterator[LogReport]:
    """Check every log from its first line to its head. Then report the logs that are missing.

    An erased tenant's log is not missing if the installation's log contains the erasure.
    """
    verified = []
    for scope in ActivityChain.objects.order_by("pk").values_list("scope", flat=True):
        report = _verify_chain(scope)
        if report is not None:
            verified.append(scope)
            yield report
    # Read last: it contains every erasure that the loop above has met.
    facts = _installation_facts()
    in_chains = set(ActivityChain.objects.values_list("scope", flat=True))
    scopes = set(ActivityLine.objects.order_by().values_list("scope", flat=True).distinct())
    for scope in sorted(scopes - in_chains):
        yield LogReport(scope, 0, "", "its lines belong to no chain")
    tenants = set(Tenant.objects.values_list("public_id", flat=True))
    for scope in sorted((facts.registered | tenants) - in_chains - scopes - facts.erased):
        yield LogReport(scope, 0, "", "its log is missing")
    if in_chains - {ActivityChain.INSTALLATION} and not facts.registered:
        yield from _installation_without_registrations(in_chains)
    for permit in ErasurePermit.objects.select_related("tenant"):
        scope = permit.tenant.public_id
        yield LogReport(scope, 0, "", "a permit to delete its lines was left in the database")


def compare_with(heads: Iterable[Head]) -> Iterator[LogReport]:
    """Compare the logs with heads that were published earlier. Yields faults only."""
    erased = _installation_facts().erased
    for head in heads:
        line = ActivityLine.objects.filter(scope=head.scope, number=head.length).first()
        if line is None and head.scope in erased:
            continue
        fault = ""
        if line is None:
            there_is = ActivityLine.objects.filter(scope=head.scope).exists()
            fault = f"line {head.length} is missing, which was published" if there_is else ""
            fault = fault or f"its log is missing, which had {head.length} lines"
        elif line.hash != head.head:
            fault = f"line {head.length} differs from the published head"
        if fault:
            yield LogReport(head.scope, head.length, head.head, fault)


def unregistered_logs() -> list[str]:
    """The logs that no line of the installation's log names. Those of 0.1.0 are not named."""
    scopes = ActivityChain.objects.filter(length__gt=0).exclude(scope=ActivityChain.INSTALLATION)
    registered = _installation_facts().registered
    found = scopes.order_by("pk").values_list("scope", flat=True)
    return [scope for scope in found if scope not in registered]


def _verify_chain(scope: str) -> LogReport | None:
    """None if the log was erased while it was read."""
    chain = ActivityChain.objects.filter(scope=scope).first()
    if chain is None:
        return None
    emptied = _installation_facts() if scope == ActivityChain.INSTALLATION else None
    lines = ActivityLine.objects.filter(scope=scope, number__lte=chain.length)
    lines = lines.select_related("actor", "tenant").order_by("number")
    lines = lines.prefetch_related("erasable_addresses")
    fault = _fault(chain, lines.iterator(chunk_size=1000), emptied or _InstallationFacts())
    newest = ActivityLine.objects.filter(scope=scope).aggregate(newest=Max("number"))["newest"]
    later = ActivityChain.objects.filter(scope=scope).first()
    if later is None and scope in _installation_facts().erased:
        return None
    if not fault and later is not None and (newest or 0) > later.length:
        fault = f"line {newest} is not part of the chain, which has {later.length}"
    return LogReport(scope, chain.length, chain.head, fault)


def _fault(chain: ActivityChain, lines: Iterable[ActivityLine], facts: _InstallationFacts) -> str:
    before, number = "", 0
    for line in lines:
        number += 1
        when = f"line {number} of {line.at:%Y-%m-%d %H:%M}"
        if line.number != number:
            return f"line {number} is missing"
        if line.previous_hash != before or not _is_intact(line, facts):
            return f"{when} was altered"
        if (line.tenant.public_id if line.tenant else ActivityChain.INSTALLATION) != chain.scope:
            return f"{when} belongs to another tenant"
        if fault := _fault_of_address(line, facts):
            return f"{when} {fault}"
        before = line.hash
    if number != chain.length:
        return f"line {number + 1} is missing: there were {chain.length}"
    return "" if before == chain.head else "its last line differs from the chain’s head"


def _is_intact(line: ActivityLine, facts: _InstallationFacts) -> bool:
    # An erasure emptied the parameters of an old line, and the installation's log contains that.
    if line.params == {} and line.number in facts.emptied:
        return True
    return line.version in (1, HASH_VERSION) and line.hash == hash_of(line)


def _fault_of_address(line: ActivityLine, facts: _InstallationFacts) -> str:
    """Compare the addresses of a line with its commitments. Empty, or the end of a sentence."""
    commitments = set(commitments_in(line.params))
    stored = {each.personal.commitment for each in line.personal_rows}
    if stored - commitments:
        return "contains an address that does not match its hash"
    if commitments - stored and line.number not in facts.without_address:
        return "lacks an address that its hash covers"
    return ""


def _installation_facts() -> _InstallationFacts:
    facts = _InstallationFacts()
    names = stored_names(
        ActivityName.TENANT_ERASED, ActivityName.LOGS_REGISTERED, ActivityName.TENANT_IMPORTED
    )
    lines = ActivityLine.objects.filter(scope=ActivityChain.INSTALLATION, action__in=names)
    for action, params in lines.order_by("number").values_list("action", "params"):
        if action == ActivityName.LOGS_REGISTERED:
            facts.registered.update(params.get("logs", ()))
            continue
        if action == ActivityName.TENANT_IMPORTED:
            # It can have been erased before. Its log must exist from now on.
            facts.erased.discard(params.get("imported", ""))
            continue
        facts.erased.add(params.get("erased", ""))
        facts.emptied.update(params.get("emptied_lines", ()))
        facts.without_address.update(params.get("erased_addresses", ()))
    return facts


def _installation_without_registrations(scopes: set[str]) -> Iterator[LogReport]:
    """A log that began with this version is registered, unless the installation's log was deleted.

    Gangway registers a log after its first line, and a nightly task repeats that.
    """
    old = database_time.now() - _REGISTERED_AFTER
    first = ActivityLine.objects.filter(number=1, version__gte=HASH_VERSION, at__lt=old)
    if first.filter(scope__in=scopes - {ActivityChain.INSTALLATION}).exists():
        fault = "it names no log of a tenant, so it was deleted"
        yield LogReport(ActivityChain.INSTALLATION, 0, "", fault)
