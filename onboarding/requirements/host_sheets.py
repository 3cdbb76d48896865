"""The delivery hosts of the profile, as the requirements sheets show them and change them.

`tenants.models.Host` is the only store of delivery hosts. A row of a sheet shows one of them.

1. `write_hosts`: an edit of a sheet changes the hosts in the same transaction. A host that a client
   enters is a proposal, and no edit gives consent to connections.
2. `sync_host_sheets`: after a change of the hosts, every sheet without a sign-off shows them. A
   signed sheet keeps its rows and shows the time of the change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db import transaction

from checks.expectations import sync_checks
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Plan, RequirementsSheet, SheetRow
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.queries import lock_tasks
from onboarding.requirements.host_values import (
    HOST_KINDS,
    RouteHost,
    answer_of,
    answered_hosts,
    host_questions,
    hosts_in,
    hosts_of,
    is_route_sheet,
    shows_hosts,
)
from onboarding.requirements.sheet_log import store_change
from onboarding.requirements.sign_off import definition_of, lock_sheet
from onboarding.requirements.validation import key_of, text_of
from tenants import database_time, domain_lifecycle
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Tenant, User
from tenants.permissions import Permission, may, role_in
from tenants.proposals import MOST_PROPOSED_HOSTS
from tenants.services import write_activity

# A tenant has few delivery hosts. More in one file are a mistake, and each becomes checks.
MOST_ADDED_HOSTS = 100
MAIL_ROLES = (Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST)


@dataclass(frozen=True)
class RowEdit:
    """The values of the edited rows before and after the edit."""

    before: list[dict[str, str]] = field(default_factory=list)
    after: list[dict[str, str]] = field(default_factory=list)


# --- From a sheet to the profile


def write_hosts(locked: RequirementsSheet, edit: RowEdit, *, by: User) -> None:
    """Store the hosts of the edited rows in the profile, and remove those that no row has any more.

    The rows are stored already. Raises OnboardingError if the person may not make the change.
    """
    kind = definition_of(locked)
    if not shows_hosts(kind):
        return
    after = hosts_in(kind, edit.after)
    gone = hosts_in(kind, edit.before) - after
    if not after and not gone:
        return
    plan = locked.task.plan
    tenant = Tenant.objects.select_for_update(of=("self",), no_key=True).get(pk=plan.tenant_id)
    rows = tenant.hosts.filter(purpose=Host.Purpose.DELIVERY).select_related("proposed_by")
    known = {RouteHost(host.name, host.port): host for host in rows}
    new = sorted(after - known.keys())
    removed = [known[each] for each in sorted(gone & known.keys()) if not _has_row(locked, each)]
    if new or removed:
        decides = may(role_in(by, tenant), Permission.EDIT_PROFILE)
        _refuse(new, removed, known.values(), decides=decides)
        added = [_add(tenant, each, by=by, decides=decides) for each in new]
        for host in removed:
            domain_lifecycle.mark_removed(host, at=database_time.now(), by=by)
        sync_checks(tenant)
        # The tasks before the activity log: the lock order of `lock_tasks`.
        lock_tasks(plan.pk)
        reevaluate(plan)
        _log(tenant, added, removed, by=by, decides=decides)
    transaction.on_commit(lambda: sync_host_sheets(plan), robust=True)


def _has_row(sheet: RequirementsSheet, host: RouteHost) -> bool:
    """Whether another row of the sheet has the host."""
    kind = definition_of(sheet)
    rows = SheetRow.objects.filter(sheet=sheet)
    if is_route_sheet(kind):
        return rows.filter(values__host=host.name, values__port=str(host.port)).exists()
    return host in hosts_in(kind, rows.values_list("values", flat=True))


def _refuse(
    new: Collection[RouteHost],
    removed: Iterable[Host],
    known: Iterable[Host],
    *,
    decides: bool,
) -> None:
    if len(new) > MOST_ADDED_HOSTS:
        raise OnboardingError(
            f"These rows have {len(new)} new delivery hosts. At most {MOST_ADDED_HOSTS} can be"
            " added at once. Nothing was changed."
        )
    if decides:
        return
    if new and len(new) + sum(host.is_proposed for host in known) > MOST_PROPOSED_HOSTS:
        raise OnboardingError(
            f"At most {MOST_PROPOSED_HOSTS} proposed hosts can wait for your consultant. Ask for a"
            " decision before you propose another. Nothing was changed."
        )
    confirmed = [str(host) for host in removed if not host.is_proposed]
    if confirmed:
        raise OnboardingError(
            f"{', '.join(confirmed)}: only your consultant removes a confirmed delivery host. Ask"
            " in a comment. Nothing was changed."
        )


def _add(tenant: Tenant, new: RouteHost, *, by: User, decides: bool) -> Host:
    """Add the host without consent to connections. It is a proposal unless the user decides."""
    host = Host(tenant=tenant, purpose=Host.Purpose.DELIVERY, name=new.name, port=new.port)
    if not decides:
        host.proposed_at, host.proposed_by = database_time.now(), by
    return domain_lifecycle.add_or_restore(host)


def _log(
    tenant: Tenant, added: list[Host], removed: list[Host], *, by: User, decides: bool
) -> None:
    if decides:
        for action, hosts in (
            (ActivityName.SUBJECTS_ADDED, added),
            (ActivityName.SUBJECTS_REMOVED, removed),
        ):
            if hosts:
                write_activity(tenant, action, by=by, names=[str(host) for host in hosts])
        return
    for action, hosts in (
        (ActivityName.VALUE_PROPOSED, added),
        (ActivityName.PROPOSAL_WITHDRAWN, removed),
    ):
        for host in hosts:
            write_activity(
                tenant,
                action,
                by=by,
                what="the delivery host",
                subject=tenant.name,
                value=str(host),
                proposer=host.proposer,
            )


# --- From the profile to the sheets


def sync_host_sheets(plan: Plan) -> None:
    """Show the present delivery hosts in all sheets of the plan. Safe to run again."""
    sheets = RequirementsSheet.objects.filter(task__plan=plan, kind__in=HOST_KINDS)
    for sheet in sheets.order_by("pk"):
        # Another person removed the sheet with its task: it shows no hosts.
        with contextlib.suppress(ConflictingChange), transaction.atomic():
            _sync_sheet(lock_sheet(sheet))


def _sync_sheet(locked: RequirementsSheet) -> None:
    tenant = locked.task.plan.tenant
    if tenant.is_closed:
        return
    hosts = hosts_of(tenant)
    if locked.signed_sides:
        _mark_signed(locked, hosts)
    elif is_route_sheet(definition_of(locked)):
        _sync_routes(locked, hosts)
    else:
        _sync_answers(locked, hosts)


def _mark_signed(locked: RequirementsSheet, hosts: set[RouteHost]) -> None:
    """Store the time from which the hosts differ from those at the sign-off."""
    if locked.signed_hosts is None:
        # Signed before Gangway stored the hosts of a sign-off.
        rows = SheetRow.objects.filter(sheet=locked).values_list("values", flat=True)
        signed = {str(host) for host in hosts_in(definition_of(locked), rows)}
    else:
        signed = set(locked.signed_hosts)
    differs = signed != {str(host) for host in hosts}
    if differs == (locked.hosts_changed_at is not None):
        return
    locked.hosts_changed_at = database_time.now() if differs else None
    locked.save(update_fields=["hosts_changed_at"])
    locked.task.plan.touch()


def _sync_routes(locked: RequirementsSheet, hosts: set[RouteHost]) -> None:
    rows = SheetRow.objects.filter(sheet=locked)
    stored = rows.order_by().values_list("values__host", "values__port").distinct()
    shown = {RouteHost(name, int(port)) for name, port in stored}
    removed = 0
    for host in shown - hosts:
        removed += rows.filter(values__host=host.name, values__port=str(host.port)).delete()[0]
    tenant = locked.task.plan.tenant
    new = tenant.hosts.filter(purpose=Host.Purpose.DELIVERY)
    missing = [host for host in new if RouteHost(host.name, host.port) not in shown]
    added = SheetRow.objects.bulk_create(missing_routes(locked, missing, tenant.domains.all()))
    if added or removed:
        names = sorted({str(host) for host in shown - hosts} | {str(host) for host in missing})
        store_change(
            locked,
            ActivityName.SHEET_CHANGED,
            by=None,
            what=", ".join(names)[:120],
            rows=len(added) - removed,
        )


def missing_routes(
    sheet: RequirementsSheet, hosts: Iterable[Host], domains: Iterable[Domain]
) -> list[SheetRow]:
    """A row for each host and each domain that receives mail, without those whose key exists.

    The key is the domain and the host: a sheet has one port of a host for each domain.
    """
    kind, rows = definition_of(sheet), SheetRow.objects.filter(sheet=sheet)
    last = rows.order_by("-position").values_list("position", flat=True).first() or 0
    receiving = [domain for domain in domains if domain.role in MAIL_ROLES]
    found: dict[str, dict[str, str]] = {}
    for host in hosts:
        for domain in receiving:
            values = {"domain": domain.name, "host": host.name, "port": str(host.port)}
            values |= {"priority": "", "note": ""}
            found.setdefault(key_of(kind, values), values)
    known = set(rows.filter(key__in=found).values_list("key", flat=True)) if found else set()
    return [
        SheetRow(
            sheet=sheet,
            position=position,
            key=key,
            values=values,
            text=text_of(values),
            source=SheetRow.Source.PROFILE,
        )
        for position, (key, values) in enumerate(
            ((key, values) for key, values in found.items() if key not in known), start=last + 1
        )
    ]


def _sync_answers(locked: RequirementsSheet, hosts: set[RouteHost]) -> None:
    text = answer_of(hosts)
    changed: list[SheetRow] = []
    answered = 0
    for row in SheetRow.objects.filter(sheet=locked, key__in=host_questions(definition_of(locked))):
        before = row.values["answer"]
        # Prose of an earlier version stays until a person replaces it.
        if answered_hosts(before) in (None, hosts):
            continue
        answered += bool(text) - bool(before)
        row.values = row.values | {"answer": text}
        row.text, row.source = text_of(row.values), SheetRow.Source.PROFILE if text else ""
        row.version, row.changed_by, row.changed_at = row.version + 1, None, database_time.now()
        row.save()
        changed.append(row)
    if changed:
        names = ", ".join(row.values["question"] for row in changed)
        action = ActivityName.SHEET_CHANGED
        store_change(locked, action, by=None, what=names[:120], rows=answered)
