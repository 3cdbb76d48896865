"""The domains by checks page with its evidence drawer, and asking for a look."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import Kind
from checks.models import KIND_CHOICES, Check
from checks.queries import checks_of, checks_set_aside, history, timeline
from checks.story import intervals
from onboarding.cutovers.records import records_for
from onboarding.plans.proof import Subject
from onboarding.plans.rows import Shape, shape_of_check
from onboarding.plans.safety import clock_of
from onboarding.views.shared import LOOKS, TenantPage, ask_for_look, load_page, show, signed_in
from tenants.access import act, tenant_or_404
from tenants.models import Domain, Host
from tenants.permissions import Act
from tenants.queries import elsewhere
from tenants.throttle import throttled

DOMAIN_KINDS = (
    Kind.OWNERSHIP,
    Kind.SPF,
    Kind.DKIM,
    Kind.DMARC,
    Kind.MTA_STS,
    Kind.MX_TTL,
    Kind.MX,
    Kind.MESSAGE,
)


@dataclass(frozen=True)
class Cell:
    kind: str
    label: str
    check: Check | None
    shape: Shape


@dataclass(frozen=True)
class SubjectRow:
    """A domain or a host with a cell for each kind."""

    subject: Domain | Host
    cells: tuple[Cell, ...]


@act(Act.READ)
@require_GET
def domains(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    check = _chosen_check(page, request.GET.get("check", ""))
    context = {
        "page": page,
        "tab": "domains",
        "kinds": [(kind.value, dict(KIND_CHOICES)[kind.value]) for kind in DOMAIN_KINDS],
        "domain_rows": [_domain_row(page, domain) for domain in page.ground.domains],
        "host_rows": [_host_row(page, host) for host in page.ground.hosts],
        "elsewhere": elsewhere(page.tenant, signed_in(request)),
        "set_aside": _set_aside(page),
        "check": check,
        "check_shape": shape_of_check(check) if check else None,
        "intervals": intervals(check, timeline(check)) if check else [],
        "clock": clock_of(check, history([check], [check.kind]), page.region)
        if check and check.is_active
        else None,
        "records": records_for(Subject(Kind(check.kind), check.subject, check), page.region)
        if check and check.is_active
        else [],
    }
    return show(request, "onboarding/domains.html", "domains", context)


def _set_aside(page: TenantPage) -> list[SubjectRow]:
    """What was taken out of the case and is kept for its history."""
    by_subject: dict[Domain | Host, list[Check]] = {}
    for check in checks_set_aside(page.tenant):
        subject = check.domain or check.host
        assert subject is not None
        by_subject.setdefault(subject, []).append(check)
    return [
        SubjectRow(subject, tuple(_cell(Kind(check.kind), check) for check in checks))
        for subject, checks in by_subject.items()
    ]


def _chosen_check(page: TenantPage, public_id: str) -> Check | None:
    kept = list(checks_set_aside(page.tenant).filter(public_id=public_id)) if public_id else []
    for check in (*page.ground.checks, *kept):
        if check.public_id == public_id:
            return check
    if public_id:
        raise Http404("No such check.")
    return None


def _domain_row(page: TenantPage, domain: Domain) -> SubjectRow:
    checks = {c.kind: c for c in page.ground.checks if c.domain_id == domain.pk}
    return SubjectRow(domain, tuple(_cell(kind, checks.get(kind.value)) for kind in DOMAIN_KINDS))


def _host_row(page: TenantPage, host: Host) -> SubjectRow:
    checks = [check for check in page.ground.checks if check.host_id == host.pk]
    return SubjectRow(host, tuple(_cell(Kind(check.kind), check) for check in checks))


def _cell(kind: Kind, check: Check | None) -> Cell:
    shape = shape_of_check(check) if check is not None else Shape.NOT_APPLICABLE
    return Cell(kind.value, dict(KIND_CHOICES)[kind.value], check, shape)


@act(Act.LOOK)
@require_POST
@throttled("look", LOOKS)
def check_look(request: HttpRequest, public_id: str, check_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    check = get_object_or_404(checks_of(tenant), public_id=check_id)
    ask_for_look(request, tenant, [check], of=f"{check.get_kind_display()}, {check.subject}")
    response = redirect("onboarding:domains", public_id=public_id)
    response["Location"] += f"?check={check.public_id}"
    return response


@act(Act.LOOK)
@require_POST
@throttled("look", LOOKS)
def look_at_all(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    ask_for_look(request, tenant, checks_of(tenant), of="everything")
    target = "domains" if request.POST.get("from") == "domains" else "plan-show"
    return redirect(f"onboarding:{target}", public_id=public_id)
