"""The domains page with its evidence drawer, and the requests to run checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import CheckKind
from checks.history import history_entries
from checks.models import KIND_CHOICES, Check
from checks.queries import (
    checks_of,
    ended_checks,
    observations_by_kind,
    recent_observations,
    removed_checks,
)
from checks.run_requests import with_run_limit
from checks.submitted_exports import sources_of
from onboarding.lifecycle.delivery_hosts import proposed_delivery_host
from onboarding.lifecycle.value_entries import may_decide, proposals_of
from onboarding.plans.current_state import CurrentState
from onboarding.plans.proof import ProofSubject
from onboarding.plans.records_to_publish import records_for
from onboarding.plans.rows import Shape, shape_of_state
from onboarding.plans.safe_times import safe_time_of
from onboarding.plans.tenant_page import (
    TenantPage,
    current_user,
    load_page,
    request_run,
    show,
)
from tenants.access import require, tenant_or_404
from tenants.models import Domain, Host
from tenants.permissions import Permission
from tenants.queries import domains_at_other_tenants

DOMAIN_KINDS = (
    CheckKind.OWNERSHIP,
    CheckKind.SPF,
    CheckKind.DKIM,
    CheckKind.DMARC,
    CheckKind.MTA_STS,
    CheckKind.MX_TTL,
    CheckKind.MX,
    CheckKind.MESSAGE,
    CheckKind.DELIVERY_MESSAGE,
)

HOST_KINDS = (CheckKind.SMTP, CheckKind.LDAPS, CheckKind.LOCKDOWN)
# The headings of the columns, which are shorter than the names of the kinds.
_SHORT_LABELS = {
    CheckKind.SMTP: "SMTP",
    CheckKind.LDAPS: "LDAPS",
    CheckKind.LOCKDOWN: "Lockdown",
}


@dataclass(frozen=True)
class CheckCell:
    kind: str
    label: str
    check: Check | None
    state: CurrentState | None

    @property
    def shape(self) -> Shape:
        return shape_of_state(self.state) if self.state is not None else Shape.NOT_APPLICABLE


@dataclass(frozen=True)
class SubjectRow:
    """A domain or a host with a cell for each kind."""

    subject: Domain | Host
    cells: tuple[CheckCell, ...]


@require(Permission.VIEW)
@require_GET
def domains(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    checks = _shown_checks(page)
    check = _chosen_check(page, checks, request.GET.get("check", ""))
    context = {
        "page": page,
        "tab": "domains",
        "kinds": [(kind.value, dict(KIND_CHOICES)[kind.value]) for kind in DOMAIN_KINDS],
        "host_kinds": [_SHORT_LABELS[kind] for kind in HOST_KINDS],
        "proposals": proposals_of(page),
        "may_decide": may_decide(page),
        "domain_rows": [_domain_row(page, checks, domain) for domain in page.plan_context.domains],
        "host_rows": [_host_row(page, checks, host) for host in page.plan_context.hosts],
        "delivery_host": proposed_delivery_host(
            page.tenant, page.plan_context.domains, page.plan_context.hosts
        ),
        "may_confirm": page.access.may(Permission.CONFIRM),
        "domains_elsewhere": domains_at_other_tenants(page.tenant, current_user(request)),
        "removed_subjects": _removed_subjects(page),
        "sources": sources_of(page.tenant),
        "source_checks": [(c, page.state_of(c)) for c in checks if c.is_of_source],
        **(_details_of(page, check) if check else {"check": None}),
    }
    return show(request, "portfolio/domain_list.html", "domains", context)


def _details_of(page: TenantPage, check: Check) -> dict[str, Any]:
    """The chosen check with its history; while it is active, its safe time and its records."""
    details = {
        "check": check,
        "check_state": page.state_of(check),
        "history": history_entries(check, recent_observations(check)),
    }
    if not check.is_active:
        return details
    subject = ProofSubject(CheckKind(check.kind), check.subject, check)
    return details | {
        "safe_time": safe_time_of(check, observations_by_kind([check], [check.kind]), page.region),
        "records": records_for(subject, page.region),
    }


def _removed_subjects(page: TenantPage) -> list[SubjectRow]:
    """Removed domains and hosts that still have a history."""
    by_subject: dict[Domain | Host, list[Check]] = {}
    for check in removed_checks(page.tenant):
        subject = check.domain or check.host
        assert subject is not None
        by_subject.setdefault(subject, []).append(check)
    return [
        SubjectRow(subject, tuple(_cell(page, CheckKind(check.kind), check) for check in checks))
        for subject, checks in by_subject.items()
    ]


def _chosen_check(page: TenantPage, checks: Sequence[Check], public_id: str) -> Check | None:
    kept = list(removed_checks(page.tenant).filter(public_id=public_id)) if public_id else []
    for check in (*checks, *kept):
        if check.public_id == public_id:
            return check
    if public_id:
        raise Http404("No such check.")
    return None


def _shown_checks(page: TenantPage) -> Sequence[Check]:
    """The checks with results: the running ones, or those that ended with the tenant's closing."""
    return page.plan_context.checks or (
        list(ended_checks(page.tenant)) if page.tenant.is_closed else []
    )


def _domain_row(page: TenantPage, checks: Sequence[Check], domain: Domain) -> SubjectRow:
    of_kind = {check.kind: check for check in checks if check.domain_id == domain.pk}
    return SubjectRow(
        domain, tuple(_cell(page, kind, of_kind.get(kind.value)) for kind in DOMAIN_KINDS)
    )


def _host_row(page: TenantPage, checks: Sequence[Check], host: Host) -> SubjectRow:
    of_kind = {check.kind: check for check in checks if check.host_id == host.pk}
    cells = (_cell(page, kind, of_kind.get(kind.value)) for kind in HOST_KINDS)
    return SubjectRow(host, tuple(replace(cell, label=_host_label(cell, host)) for cell in cells))


def _host_label(cell: CheckCell, host: Host) -> str:
    """The name of the check with the port of the host, such as "SMTP 2525"."""
    kind = CheckKind(cell.kind)
    has_port = cell.check is not None and kind is not CheckKind.LOCKDOWN
    return f"{_SHORT_LABELS[kind]} {host.port}" if has_port else _SHORT_LABELS[kind]


def _cell(page: TenantPage, kind: CheckKind, check: Check | None) -> CheckCell:
    state = page.state_of(check) if check is not None else None
    return CheckCell(kind.value, dict(KIND_CHOICES)[kind.value], check, state)


@require(Permission.RUN_CHECKS)
@require_POST
@with_run_limit
def check_run(request: HttpRequest, public_id: str, check_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    check = get_object_or_404(checks_of(tenant), public_id=check_id)
    request_run(request, tenant, [check], of=f"{check.get_kind_display()}, {check.subject}")
    response = redirect("onboarding:domains", public_id=public_id)
    response["Location"] += f"?check={check.public_id}"
    return response


@require(Permission.RUN_CHECKS)
@require_POST
@with_run_limit
def run_all_checks(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    request_run(request, tenant, checks_of(tenant), of="everything")
    target = "domains" if request.POST.get("from") == "domains" else "plan-show"
    return redirect(f"onboarding:{target}", public_id=public_id)
