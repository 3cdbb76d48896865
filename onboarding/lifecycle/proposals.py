"""Values that clients enter from their console, and the consultant's decision on each.

1. A client proposes an ownership code, DKIM selectors or a delivery host. Checks use the value at
   once, but it completes no task and is no consent to connections.
2. A value that differs from a confirmed one is a proposed change: checks use the confirmed one.
3. A consultant confirms or rejects it. A value that a consultant enters is confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from checks.expectations import sync_checks
from checks.models import PROPOSED_VALUES, Check
from checks.tasks import run_now
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.lifecycle.tenants import log_subject_changes, set_consent
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.queries import lock_plan_facts
from onboarding.requirements.host_sheets import sync_host_sheets
from tenants import database_time, domain_lifecycle
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Tenant, User
from tenants.proposals import (
    MOST_PROPOSED_HOSTS,
    Proposal,
    ProposalKind,
    confirmed_values,
    fingerprint,
    proposal_as_data,
    proposal_of,
    text_of,
    without_agreed,
)
from tenants.services import write_activity

_CHANGED_BY_OTHERS = (
    "Another user changed this value. Nothing was saved. Compare it with the current value, then"
    " try again."
)


class InvalidEntry(OnboardingError):
    """A value that cannot be stored. `field` names its form field."""

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field


class DiffersFromConfirmed(InvalidEntry):
    """The client entered another value than the confirmed one, and did not propose a change."""


@dataclass(frozen=True)
class ProposalEntry:
    """A value as entered. `is_change`: the client proposes it instead of the confirmed value.

    `expected` is the state of the value on the user's page (`state_of`).
    """

    values: Mapping[str, str]
    expected: str
    is_change: bool = False


def state_of(domain: Domain, kind: ProposalKind) -> str:
    """A digest of the confirmed and the proposed value, to detect a change by another user."""
    proposal = proposal_of(domain, kind)
    proposed = proposal.values if proposal is not None else {}
    return fingerprint(
        confirmed_values(domain, kind)
        | {f"proposed {name}": value for name, value in proposed.items()}
    )


def enter_values(
    domain: Domain, kind: ProposalKind, entry: ProposalEntry, *, by: User, decides: bool
) -> None:
    """Store the entered values: confirmed if the user `decides`, else as a proposal.

    A client who enters nothing withdraws the proposal. Raises ConflictingChange, or an error that
    names its form field.
    """
    with transaction.atomic():
        locked = _lock_domain(domain)
        if entry.expected != state_of(locked, kind):
            raise ConflictingChange(_CHANGED_BY_OTHERS)
        if decides:
            _store_confirmed(locked, kind, entry.values, by=by)
        elif not any(entry.values.values()):
            _withdraw(locked, kind, by=by)
        else:
            _propose(locked, kind, entry, by=by)
        _apply(locked.tenant, domain=locked, kind=kind)


def _lock_domain(domain: Domain) -> Domain:
    """The current domain, locked with the tasks and checks that its values decide."""
    rows = Domain.objects.select_for_update(of=("self",), no_key=True).select_related("tenant")
    locked = rows.get(pk=domain.pk)
    lock_plan_facts(locked.tenant)
    return locked


def _store_confirmed(
    domain: Domain, kind: ProposalKind, values: Mapping[str, str], *, by: User
) -> None:
    if not any(values.values()):
        raise InvalidEntry("Enter the value. To clear it, edit the profile.", kind.fields[0])
    for name in kind.fields:
        setattr(domain, name, values[name])
    domain.proposals = without_agreed(domain, domain.proposals)
    domain.save(update_fields=[*kind.fields, "proposals"])
    log_subject_changes(domain.tenant, by=by, added=[], changed=[str(domain)])


def _withdraw(domain: Domain, kind: ProposalKind, *, by: User) -> None:
    proposal = proposal_of(domain, kind)
    if proposal is None:
        raise InvalidEntry("Copy the value from your Mimecast console.", kind.fields[0])
    _log(ActivityName.PROPOSAL_WITHDRAWN, domain, kind, proposal, by=by)
    del domain.proposals[kind.value]
    domain.save(update_fields=["proposals"])


def _propose(domain: Domain, kind: ProposalKind, entry: ProposalEntry, *, by: User) -> None:
    confirmed = confirmed_values(domain, kind)
    if entry.values == confirmed:
        raise InvalidEntry("This value is confirmed already.", kind.fields[0])
    if any(confirmed.values()) and not entry.is_change:
        raise DiffersFromConfirmed(
            f"The confirmed value is {text_of(confirmed)}. If your console shows another one,"
            " select “Propose a change”. Your consultant then decides.",
            kind.fields[0],
        )
    now = database_time.now()
    domain.proposals[kind.value] = proposal_as_data(entry.values, by=by.name, at=now)
    domain.save(update_fields=["proposals"])
    write_activity(
        domain.tenant,
        ActivityName.VALUE_PROPOSED,
        by=by,
        what=f"the {kind.label}",
        subject=str(domain),
        value=text_of(entry.values),
        confirmed=text_of(confirmed),
    )


def confirm_values(domain: Domain, kind: ProposalKind, *, by: User, expected: str) -> None:
    """Make the proposed values the confirmed ones. `expected`: the proposal on the user's page.

    Raises OnboardingError if there is no such proposal any more.
    """
    with transaction.atomic():
        locked = _lock_domain(domain)
        proposal = _undecided(locked, kind, expected)
        _log(ActivityName.PROPOSAL_CONFIRMED, locked, kind, proposal, by=by)
        for name, value in proposal.values.items():
            setattr(locked, name, value)
        del locked.proposals[kind.value]
        locked.save(update_fields=[*kind.fields, "proposals"])
        _apply(locked.tenant, domain=locked, kind=kind)


def reject_values(
    domain: Domain, kind: ProposalKind, *, by: User, expected: str, reason: str
) -> None:
    """Reject the proposed values. The client sees the reason where the value was entered.

    Raises OnboardingError if there is no such proposal any more.
    """
    with transaction.atomic():
        locked = _lock_domain(domain)
        proposal = _undecided(locked, kind, expected)
        _log(ActivityName.PROPOSAL_REJECTED, locked, kind, proposal, by=by, reason=reason)
        locked.proposals[kind.value] |= {"rejected_by": by.name, "reason": reason}
        locked.save(update_fields=["proposals"])
        _apply(locked.tenant, domain=locked, kind=kind)


def _undecided(domain: Domain, kind: ProposalKind, expected: str) -> Proposal:
    proposal = proposal_of(domain, kind)
    if proposal is None:
        raise OnboardingError("This proposal was decided or withdrawn already.")
    if proposal.fingerprint != expected:
        raise ConflictingChange(
            f"The proposal changed after you opened the page. It is now {proposal.text}."
        )
    return proposal


def _log(
    action: ActivityName,
    domain: Domain,
    kind: ProposalKind,
    proposal: Proposal,
    *,
    by: User,
    reason: str = "",
) -> None:
    write_activity(
        domain.tenant,
        action,
        by=by,
        what=f"the {kind.label}",
        subject=str(domain),
        value=proposal.text,
        proposer=proposal.by,
        confirmed=text_of(confirmed_values(domain, kind)),
        reason=reason,
    )


def _apply(tenant: Tenant, *, domain: Domain, kind: ProposalKind) -> None:
    """Align the checks and the tasks with the changed value, and run its DNS checks now."""
    sync_checks(tenant)
    reevaluate(tenant.plan)
    tenant.plan.touch()
    kinds = [name for name, proposed in PROPOSED_VALUES.items() if proposed is kind]
    run_now(Check.objects.filter(domain=domain, kind__in=kinds, is_active=True))


# --- Hosts


def add_host(tenant: Tenant, *, name: str, port: int, by: User, decides: bool) -> Host:
    """Add a delivery host: confirmed if the user `decides`, else as a proposal.

    Gangway connects to it only with the client's consent, which a consultant confirms, or below a
    domain with verified ownership (checks.rate_limit). Raises an error that names its form field.
    """
    with transaction.atomic():
        # One at a time, so that the limit and the identity of the hosts hold.
        locked = Tenant.objects.select_for_update(of=("self",), no_key=True).get(pk=tenant.pk)
        lock_plan_facts(locked)
        hosts = list(locked.hosts.all())
        key = (Host.Purpose.DELIVERY, name, port)
        if any((host.purpose, host.name, host.port) == key for host in hosts):
            raise InvalidEntry(f"{name}:{port} is in the list already.", "name")
        if not decides and sum(host.is_proposed for host in hosts) >= MOST_PROPOSED_HOSTS:
            raise InvalidEntry(
                f"{MOST_PROPOSED_HOSTS} proposed hosts wait for your consultant. Ask for a decision"
                " before you propose another.",
                "name",
            )
        host = Host(tenant=locked, purpose=Host.Purpose.DELIVERY, name=name, port=port)
        if not decides:
            host.proposed_at, host.proposed_by = database_time.now(), by
        added = domain_lifecycle.add_or_restore(host)
        if decides:
            log_subject_changes(locked, by=by, added=[str(added)], changed=[])
        else:
            _log_host(ActivityName.VALUE_PROPOSED, added, by=by)
        _apply_to_hosts(locked)
    return added


def confirm_host(host: Host, *, by: User, with_consent: bool) -> None:
    """Confirm a proposed host, and the client's consent to connections if the consultant has it.

    Raises OnboardingError if another user decided already.
    """
    with transaction.atomic():
        locked = _lock_proposed(host)
        locked.confirmed_at, locked.confirmed_by = database_time.now(), by
        locked.save(update_fields=["confirmed_at", "confirmed_by"])
        _log_host(ActivityName.PROPOSAL_CONFIRMED, locked, by=by, proposer=locked.proposer)
        _apply_to_hosts(locked.tenant)
        if with_consent:
            consented = locked.tenant.hosts.filter(consented_at__isnull=False)
            agreed = {locked.pk, *consented.values_list("pk", flat=True)}
            run_now(set_consent(locked.tenant, agreed, by=by))


def reject_host(host: Host, *, by: User, reason: str) -> None:
    """Remove a proposed host. Its reason remains for the client.

    Raises OnboardingError if another user decided already.
    """
    with transaction.atomic():
        locked = _lock_proposed(host)
        locked.rejection_reason = reason
        locked.save(update_fields=["rejection_reason"])
        domain_lifecycle.mark_removed(locked, at=database_time.now(), by=by)
        _log_host(
            ActivityName.PROPOSAL_REJECTED, locked, by=by, proposer=locked.proposer, reason=reason
        )
        _apply_to_hosts(locked.tenant)


def _lock_proposed(host: Host) -> Host:
    rows = Host.objects.select_for_update(of=("self",), no_key=True).select_related(
        "tenant", "proposed_by"
    )
    locked = rows.filter(pk=host.pk).first()
    if locked is None or not locked.is_proposed:
        raise OnboardingError("This proposal was decided already.")
    lock_plan_facts(locked.tenant)
    return locked


def _log_host(action: ActivityName, host: Host, *, by: User, **params: str) -> None:
    write_activity(
        host.tenant,
        action,
        by=by,
        what="the delivery host",
        subject=host.tenant.name,
        value=str(host),
        **params,
    )


def _apply_to_hosts(tenant: Tenant) -> None:
    sync_checks(tenant)
    reevaluate(tenant.plan)
    tenant.plan.touch()
    # In a transaction of its own: locks of sheets come before those of tasks.
    transaction.on_commit(lambda: sync_host_sheets(tenant.plan), robust=True)
