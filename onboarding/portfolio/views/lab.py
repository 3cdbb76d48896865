"""The lab of a sample tenant: change its DNS and hosts, and see how its tasks react."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import CheckKind
from checks.lab import signed_messages as stand_in
from checks.lab.addresses import SERVERS
from checks.lab.received_messages import received_message
from checks.lab.zone_records import HostedLockdown, LabError, LabState, Mode, ZoneRecord
from checks.lab.zones import HOSTS, Lab
from checks.models import Check
from onboarding.error_responses import errors_as_message, errors_on_form, form_page
from onboarding.plans.proof import ProofSubject
from onboarding.plans.records_to_publish import RecordToPublish, records_for
from onboarding.plans.tenant_page import TenantPage, load_page
from onboarding.portfolio.forms import LabRecordForm
from tenants import database_time
from tenants.access import require
from tenants.models import Domain, Host
from tenants.permissions import Permission


@dataclass(frozen=True)
class LabZone:
    """A sample domain with its published records and the records that its checks expect."""

    domain: Domain
    records: tuple[ZoneRecord, ...]
    wanted: tuple[RecordToPublish, ...]
    is_signed: bool
    is_routed: bool


def _load(request: HttpRequest, public_id: str) -> tuple[TenantPage, Lab]:
    page = load_page(request, public_id)
    if not (settings.LAB and page.tenant.is_sample):
        raise Http404("There is no lab here.")
    return page, Lab(settings.LAB_DIR)


def _zones(page: TenantPage, state: LabState) -> list[LabZone]:
    return [
        LabZone(
            domain,
            state.zones[domain.name].records,
            tuple(_wanted(page, domain)),
            stand_in.publishes_key(state.zones, domain.name),
            domain.name in state.outbound,
        )
        for domain in page.plan_context.domains
        if domain.name in state.zones
    ]


def _server(state: LabState, number: int) -> dict[str, object]:
    has_old_zones = number in state.servers and state.servers[number].frozen_zones is not None
    return {"number": number, "mode": state.mode_of(number), "lags": has_old_zones}


@require(Permission.VIEW)
@require_GET
def lab_show(request: HttpRequest, public_id: str) -> HttpResponse:
    page, lab = _load(request, public_id)
    state = lab.load()
    context = {
        "page": page,
        "tab": "lab",
        "zones": _zones(page, state),
        "servers": [_server(state, number) for number in SERVERS],
        "hosts": [{"name": host, "is_open": host not in state.closed} for host in HOSTS],
        "modes": list(Mode),
        "hosted": state.hosted.value,
        "selector": stand_in.SELECTOR,
    }
    return render(request, "portfolio/lab_show.html", context)


def _wanted(page: TenantPage, domain: Domain) -> list[RecordToPublish]:
    return [
        record
        for check in page.plan_context.checks
        if check.domain_id == domain.pk and not _is_satisfied(check)
        for record in records_for(
            ProofSubject(CheckKind(check.kind), str(domain), check), page.region
        )
    ]


def _is_satisfied(check: Check) -> bool:
    verdict = check.settled.verdict
    return verdict is not None and verdict.is_passing


@require(Permission.USE_LAB)
@require_POST
def lab_change(request: HttpRequest, public_id: str) -> HttpResponse:
    page, lab = _load(request, public_id)
    if request.POST.get("action") == "publish":
        return _publish(request, page, lab)
    with errors_as_message(request, note="Nothing was changed."):
        result = _change(page, lab, request)
        messages.success(request, f"{result} The next run of the checks shows the change.")
    return redirect("onboarding:lab", public_id=public_id)


def _change(page: TenantPage, lab: Lab, request: HttpRequest) -> str:
    action = request.POST.get("action", "")
    if action == "withdraw":
        return _withdraw_record(page, lab, request)
    if action == "sign":
        domain = _own_domain(page, request)
        stand_in.publish_key(lab, domain)
        return f"The key of {domain} is published. Mail through Mimecast is signed."
    if action in ("route", "route-directly"):
        domain = _own_domain(page, request)
        if action == "route":
            lab.route_outbound(domain)
            return f"Outbound mail of {domain} leaves through Mimecast from now on."
        lab.route_directly(domain)
        return f"The server of {domain} sends directly from now on."
    if action in ("lag", "catch-up", "silent", "restore"):
        return _change_server(lab, action, request.POST.get("server", ""))
    return _change_host(lab, action, request)


def _change_host(lab: Lab, action: str, request: HttpRequest) -> str:
    host = request.POST.get("host", "")
    if action == "close":
        lab.close(host)
        return f"The {host} host is closed."
    if action == "open":
        lab.open(host)
        return f"The {host} host is open."
    if action == "lockdown":
        return _lock_hosted(lab, request.POST.get("setting", ""))
    raise LabError("The lab does not know that action.")


def _lock_hosted(lab: Lab, setting: str) -> str:
    if setting not in set(HostedLockdown):
        raise LabError("Choose a setting of the hosted mail platform.")
    lab.lock_hosted(HostedLockdown(setting))
    return {
        HostedLockdown.OPEN: "The hosted mail platform accepts every sender.",
        HostedLockdown.DIRECT_SEND: "The hosted mail platform rejects Direct Send.",
        HostedLockdown.LOCKED: "The hosted mail platform accepts only Mimecast.",
    }[HostedLockdown(setting)]


def _own_domain(page: TenantPage, request: HttpRequest) -> str:
    domain = request.POST.get("domain", "")
    if domain not in {d.name for d in page.plan_context.domains}:
        raise LabError("Choose one of this tenant's domains.")
    return domain


@require(Permission.USE_LAB)
@require_POST
def lab_message(request: HttpRequest, public_id: str) -> HttpResponse:
    """Download a test message of a sample domain: one that it sent, or one that it received."""
    page, lab = _load(request, public_id)
    with errors_as_message(request, note="There is no message."):
        domain = _own_domain(page, request)
        direction = request.POST.get("direction", "out")
        if direction == "in":
            content, name = _received_message(page, lab, domain, request), "received-message"
        else:
            content, name = _sent_message(page, lab, domain, request), "test-message"
        response = HttpResponse(content, content_type="message/rfc822")
        response["Content-Disposition"] = f'attachment; filename="{name}-{domain}.eml"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
    return redirect("onboarding:lab", public_id=public_id)


def _sent_message(page: TenantPage, lab: Lab, domain: str, request: HttpRequest) -> bytes:
    is_pilot = request.POST.get("pilot") == "yes"
    return stand_in.arriving_message(
        lab, domain, page.tenant.region, at=database_time.now(), is_pilot=is_pilot
    )


def _received_message(page: TenantPage, lab: Lab, domain: str, request: HttpRequest) -> bytes:
    hosts = [h.name for h in page.plan_context.hosts if h.purpose == Host.Purpose.DELIVERY]
    return received_message(
        lab,
        domain,
        page.tenant.region,
        platform=page.tenant.platform,
        delivery_host=hosts[0] if hosts else "",
        at=database_time.now(),
        is_test=request.POST.get("test") == "yes",
    )


def _publish(request: HttpRequest, page: TenantPage, lab: Lab) -> HttpResponse:
    """Publish the record of the form, or show the form with the error and the input."""
    form = LabRecordForm(request.POST)
    if form.is_valid():
        with errors_on_form(form, "value"):
            domain = _own_domain(page, request)
            record = lab.publish(domain, **form.record())
            messages.success(
                request,
                f"{domain} now publishes {record}. The next run of the checks shows the change.",
            )
            return redirect("onboarding:lab", public_id=page.tenant.public_id)
    return form_page(
        request,
        form,
        title="Publish a record",
        about=request.POST.get("domain", ""),
        button="Publish",
        back=reverse("onboarding:lab", args=[page.tenant.public_id]),
        action="publish",
        domain=request.POST.get("domain", ""),
    )


def _withdraw_record(page: TenantPage, lab: Lab, request: HttpRequest) -> str:
    domain = _own_domain(page, request)
    rtype = request.POST.get("type", "").strip()
    value = request.POST.get("value", "").strip()
    label = request.POST.get("label", "").strip() or "@"
    taken = lab.withdraw(domain, rtype, value or None, label=label)
    return f"{domain} no longer publishes {len(taken)} {rtype} record(s)."


def _change_server(lab: Lab, action: str, typed: str) -> str:
    number = int(typed) if _is_number(typed) else 0
    if action == "restore":
        lab.restore()
        return "Every name server answers with today's records again."
    if action == "lag":
        lab.lag(number)
        return f"ns{number} keeps serving what it serves now."
    if action == "catch-up":
        lab.catch_up(number)
        return f"ns{number} serves today's records again."
    lab.behave(number, Mode.SILENT)
    return f"ns{number} no longer answers."


def _is_number(typed: str) -> bool:
    """Whether the text is a number of a length that an integer column can store."""
    return typed.isascii() and typed.isdecimal() and len(typed) < 10
