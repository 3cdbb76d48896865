"""The lab beside a sample tenant: publish, withdraw, lag and watch the tasks follow."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import Kind
from checks.lab import messages as stand_in
from checks.lab.places import SERVERS
from checks.lab.records import LabError, Mode, ZoneRecord
from checks.lab.zones import HOSTS, Lab
from checks.models import Check
from onboarding.cutovers.records import RecordToPublish, records_for
from onboarding.plans.proof import Subject
from onboarding.views.shared import TenantPage, load_page
from tenants.access import act
from tenants.models import Domain
from tenants.permissions import Act


@dataclass(frozen=True)
class Zone:
    """A sample domain: what it publishes, and what its checks would like to see."""

    domain: Domain
    records: tuple[ZoneRecord, ...]
    wanted: tuple[RecordToPublish, ...]
    is_signed: bool


def _load(request: HttpRequest, public_id: str) -> tuple[TenantPage, Lab]:
    page = load_page(request, public_id)
    if not (settings.LAB and page.tenant.is_sample):
        raise Http404("There is no lab here.")
    return page, Lab(settings.LAB_DIR)


@act(Act.READ)
@require_GET
def lab_show(request: HttpRequest, public_id: str) -> HttpResponse:
    page, lab = _load(request, public_id)
    state = lab.load()
    zones = [
        Zone(
            domain,
            state.zones[domain.name].records,
            tuple(_wanted(page, domain)),
            stand_in.publishes_key(state.zones, domain.name),
        )
        for domain in page.ground.domains
        if domain.name in state.zones
    ]
    servers = [
        {
            "number": number,
            "mode": state.mode_of(number),
            "lags": number in state.servers and state.servers[number].kept is not None,
        }
        for number in SERVERS
    ]
    context = {
        "page": page,
        "tab": "lab",
        "zones": zones,
        "servers": servers,
        "hosts": [{"name": host, "is_open": host not in state.closed} for host in HOSTS],
        "modes": list(Mode),
        "selector": stand_in.SELECTOR,
    }
    return render(request, "onboarding/lab.html", context)


def _wanted(page: TenantPage, domain: Domain) -> list[RecordToPublish]:
    return [
        record
        for check in page.ground.checks
        if check.domain_id == domain.pk and not _is_satisfied(check)
        for record in records_for(Subject(Kind(check.kind), str(domain), check), page.region)
    ]


def _is_satisfied(check: Check) -> bool:
    verdict = check.standing.verdict
    return verdict is not None and verdict.is_yes


@act(Act.USE_LAB)
@require_POST
def lab_change(request: HttpRequest, public_id: str) -> HttpResponse:
    page, lab = _load(request, public_id)
    try:
        said = _change(page, lab, request)
    except LabError as error:
        messages.error(request, f"{error} Nothing was changed.")
    else:
        messages.success(request, f"{said} The checks will see it at their next look.")
    return redirect("onboarding:lab", public_id=public_id)


def _change(page: TenantPage, lab: Lab, request: HttpRequest) -> str:
    act = request.POST.get("act", "")
    if act in ("publish", "withdraw"):
        return _change_record(page, lab, request, act)
    if act == "sign":
        domain = _own_domain(page, request)
        stand_in.publish_key(lab, domain)
        return f"Messages of {domain} are signed from now on."
    if act in ("lag", "catch-up", "silent", "restore"):
        return _change_server(lab, act, request.POST.get("server", ""))
    host = request.POST.get("host", "")
    if act == "close":
        lab.close(host)
        return f"The {host} host is closed."
    if act == "open":
        lab.open(host)
        return f"The {host} host is open."
    raise LabError("The lab does not know that act.")


def _own_domain(page: TenantPage, request: HttpRequest) -> str:
    domain = request.POST.get("domain", "")
    if domain not in {d.name for d in page.ground.domains}:
        raise LabError("Choose one of this tenant's domains.")
    return domain


@act(Act.USE_LAB)
@require_POST
def lab_message(request: HttpRequest, public_id: str) -> HttpResponse:
    """A test message of a sample domain, to be saved and shown."""
    page, lab = _load(request, public_id)
    try:
        domain = _own_domain(page, request)
        content = stand_in.arriving_message(lab, domain, page.tenant.region, at=timezone.now())
    except LabError as error:
        messages.error(request, f"{error} There is no message.")
        return redirect("onboarding:lab", public_id=public_id)
    response = HttpResponse(content, content_type="message/rfc822")
    response["Content-Disposition"] = f'attachment; filename="test-message-{domain}.eml"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _change_record(page: TenantPage, lab: Lab, request: HttpRequest, act: str) -> str:
    domain = _own_domain(page, request)
    rtype = request.POST.get("type", "").strip()
    value = request.POST.get("value", "").strip()
    label = request.POST.get("label", "").strip() or "@"
    if act == "withdraw":
        taken = lab.withdraw(domain, rtype, value or None, label=label)
        return f"{domain} no longer publishes {len(taken)} {rtype} record(s)."
    typed = request.POST.get("ttl", "").strip()
    if typed and not _is_number(typed):
        raise LabError("A TTL is a number of seconds.")
    instead = request.POST.get("instead") == "yes"
    record = lab.publish(
        domain, rtype, value, label=label, ttl=int(typed) if typed else None, instead=instead
    )
    return f"{domain} now publishes {record}."


def _change_server(lab: Lab, act: str, typed: str) -> str:
    number = int(typed) if _is_number(typed) else 0
    if act == "restore":
        lab.restore()
        return "Every name server answers with today's records again."
    if act == "lag":
        lab.lag(number)
        return f"ns{number} keeps serving what it serves now."
    if act == "catch-up":
        lab.catch_up(number)
        return f"ns{number} serves today's records again."
    lab.behave(number, Mode.SILENT)
    return f"ns{number} no longer answers."


def _is_number(typed: str) -> bool:
    """Plain digits, and not so many that nothing could take them."""
    return typed.isascii() and typed.isdecimal() and len(typed) < 10
