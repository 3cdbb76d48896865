"""The watch after go-live: what is watched, what has drifted, and what people say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import Kind, Verdict
from checks.models import Check
from onboarding.errors import OnboardingError
from onboarding.forms.watch import DriftWordsForm, FollowedForm, MuteForm
from onboarding.models import Drift
from onboarding.views.shared import TenantPage, load_page, show, signed_in
from onboarding.watch import drifts
from onboarding.watch.drift_rules import KIND_OF_CHECK
from onboarding.watch.watching import standing_of
from tenants.access import act, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Act

PAST = 50


@dataclass(frozen=True)
class Card:
    """An open drift with its forms; one that was filled in wrongly keeps what was typed."""

    drift: Drift
    is_muted: bool
    words: forms.Form
    followed: forms.Form
    mute: forms.Form


@dataclass(frozen=True)
class Watched:
    """How the subjects of one kind stand: names of those that hold, have drifted, or neither."""

    label: str
    holding: list[str] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.holding) + len(self.drifted) + len(self.not_proven)


@act(Act.READ)
@require_GET
def watch(request: HttpRequest, public_id: str) -> HttpResponse:
    return show(request, "onboarding/watch.html", "watch", _context(request, public_id))


def _context(
    request: HttpRequest, public_id: str, bound: tuple[Drift, forms.Form] | None = None
) -> dict[str, object]:
    page = load_page(request, public_id)
    rows = Drift.objects.filter(tenant=page.tenant).select_related(
        "check_asked", "observation", "acknowledged_by", "muted_by", "ended_by", "tenant"
    )
    open_now = list(rows.filter(closed_at=None))
    return {
        "page": page,
        "tab": "watch",
        "standing": standing_of(page.tenant),
        "cards": [_card(drift, bound) for drift in open_now],
        "watched": _watched(page, open_now),
        "past": rows.filter(closed_at__isnull=False).order_by("-closed_at")[:PAST],
        "may_acknowledge": page.seat.may(Act.ACKNOWLEDGE),
        "may_steer_watch": page.seat.may(Act.STEER_WATCH),
    }


def _card(drift: Drift, bound: tuple[Drift, forms.Form] | None) -> Card:
    ids = f"{drift.public_id}-%s"
    made: dict[type[forms.Form], forms.Form] = {
        DriftWordsForm: DriftWordsForm(auto_id=f"words-{ids}"),
        FollowedForm: FollowedForm(auto_id=f"followed-{ids}"),
        MuteForm: MuteForm(auto_id=f"mute-{ids}", tenant=drift.tenant),
    }
    if bound is not None and bound[0].pk == drift.pk:
        made[type(bound[1])] = bound[1]
    return Card(
        drift,
        drift.is_muted(timezone.now()),
        made[DriftWordsForm],
        made[FollowedForm],
        made[MuteForm],
    )


def _watched(page: TenantPage, open_now: Sequence[Drift]) -> list[Watched]:
    drifted = {(drift.kind, drift.check_asked_id) for drift in open_now}
    rows = {kind: Watched(kind.label) for kind in KIND_OF_CHECK.values()}
    for check in page.ground.checks:
        kind = KIND_OF_CHECK.get(Kind(check.kind))
        if kind is None:
            continue
        if (kind, check.pk) in drifted:
            rows[kind].drifted.append(check.subject)
        elif _holds(check):
            rows[kind].holding.append(check.subject)
        else:
            rows[kind].not_proven.append(check.subject)
    return [row for row in rows.values() if row.total]


def _holds(check: Check) -> bool:
    """Without an MTA-STS policy nothing is enforced, which is as good."""
    settled = check.standing.verdict
    is_without_policy = check.kind == Kind.MTA_STS and settled is Verdict.NOT_APPLICABLE
    return is_without_policy or (settled is not None and settled.is_yes)


# --- Acts


@act(Act.ACKNOWLEDGE)
@require_POST
def drift_acknowledge(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    _, drift = _load(request, public_id, drift_id)
    form = DriftWordsForm(request.POST, auto_id=f"words-{drift.public_id}-%s")
    by = signed_in(request)
    return _do(
        request,
        drift,
        form,
        lambda: drifts.acknowledge(drift, by=by, because=form.cleaned_data["because"]),
    )


@act(Act.STEER_WATCH)
@require_POST
def drift_settle(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    _, drift = _load(request, public_id, drift_id)
    form = FollowedForm(request.POST, auto_id=f"followed-{drift.public_id}-%s")
    by = signed_in(request)
    return _do(
        request,
        drift,
        form,
        lambda: drifts.settle_region(drift, by=by, because=form.cleaned_data["because"]),
    )


@act(Act.STEER_WATCH)
@require_POST
def drift_mute(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    tenant, drift = _load(request, public_id, drift_id)
    form = MuteForm(request.POST, auto_id=f"mute-{drift.public_id}-%s", tenant=tenant)
    by = signed_in(request)
    return _do(
        request, drift, form, lambda: drifts.mute(drift, by=by, until=form.cleaned_data["until"])
    )


@act(Act.STEER_WATCH)
@require_POST
def drift_unmute(request: HttpRequest, public_id: str, drift_id: str) -> HttpResponse:
    _, drift = _load(request, public_id, drift_id)
    try:
        drifts.unmute(drift, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    return redirect("onboarding:watch", public_id=public_id)


def _load(request: HttpRequest, public_id: str, drift_id: str) -> tuple[Tenant, Drift]:
    tenant = tenant_or_404(request, public_id)
    rows = Drift.objects.select_related("tenant__plan")
    return tenant, get_object_or_404(rows, tenant=tenant, public_id=drift_id)


def _do(
    request: HttpRequest, drift: Drift, form: forms.Form, act_on: Callable[[], None]
) -> HttpResponse:
    """The act, or the page again with the sentence beside the field and what was typed."""
    public_id = drift.tenant.public_id
    if form.is_valid():
        try:
            act_on()
            return redirect("onboarding:watch", public_id=public_id)
        except OnboardingError as error:
            if Drift.objects.filter(pk=drift.pk, closed_at__isnull=False).exists():
                messages.error(request, str(error))
                return redirect("onboarding:watch", public_id=public_id)
            form.add_error(None, str(error))
    context = _context(request, public_id, (drift, form))
    return render(request, "onboarding/watch.html", context, status=422)
