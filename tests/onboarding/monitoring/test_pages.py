"""The Monitoring page and the lists: drifts, actions on them, and their visibility."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.models import Drift, Monitoring
from tenants.models import ActivityLine, Tenant, User
from tests.factories import START, RunCheck, SignIn
from tests.markup import texts

DAY = 24 * 60


@pytest.fixture
def drift(tenant: Tenant, consultant: User, run_check: RunCheck) -> Drift:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    for minute in (DAY, DAY + 5, DAY + 11):
        run_check(tenant, CheckKind.MX, Verdict.FAIL, code="mx.none", minutes=minute)
    return Drift.objects.get()


def _page(client: Client, tenant: Tenant) -> str:
    response = client.get(reverse("onboarding:monitoring", args=[tenant.public_id]))
    assert response.status_code == 200
    return response.content.decode()


def _post(client: Client, drift: Drift, action: str, **data: str) -> tuple[int, str]:
    address = reverse(f"onboarding:drift-{action}", args=[drift.tenant.public_id, drift.public_id])
    response = client.post(address, data)
    return response.status_code, response.content.decode()


def test_page_before_go_live(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    html = _page(signed_in(owner), tenant)

    assert "Monitoring starts at go-live" in texts(html, "h2")


@pytest.mark.usefixtures("fixed_monday")
def test_page_without_drift(
    tenant: Tenant, viewer: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    early = _page(signed_in(viewer), tenant)
    for kind in Check.objects.exclude(kind=CheckKind.MX).values_list("kind", flat=True):
        run_check(tenant, CheckKind(kind), Verdict.PASS)

    html = _page(signed_in(viewer), tenant)

    assert "No drift, but 5 checks not settled yet" in texts(early, "h2")
    assert "No drift since go-live" in texts(html, "h2")
    assert "drift-acknowledge" not in html


@pytest.mark.parametrize(("verdict", "is_listed"), [(Verdict.FAIL, False), (Verdict.PASS, True)])
def test_ttl_is_monitored_after_the_switch(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    run_check: RunCheck,
    verdict: Verdict,
    is_listed: bool,
) -> None:
    run_check(tenant, CheckKind.MX, verdict)
    run_check(tenant, CheckKind.MX_TTL, Verdict.FAIL)

    page = signed_in(owner).get(reverse("onboarding:monitoring", args=[tenant.public_id]))

    kinds = {row.label: row.total for row in page.context["kinds"]}
    assert kinds.get("MX TTL never raised", 0) == is_listed


def test_page_shows_drift_and_evidence(drift: Drift, owner: User, signed_in: SignIn) -> None:
    html = _page(signed_in(owner), drift.tenant)

    assert "1 drift since go-live" in texts(html, "h2")
    assert "MX records changed · northwind.test" in texts(html, "h3")
    assert drift.check_asked is not None
    assert f"?check={drift.check_asked.public_id}" in html
    assert "/acknowledge/" in html
    assert "/mute/" not in html


def test_acknowledgement_needs_reason(drift: Drift, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)

    status, html = _post(client, drift, "acknowledge", reason=" ")
    assert (status, "Others can read it here." in html) == (422, True)

    _post(client, drift, "acknowledge", reason="Lena removes it on Friday.")
    drift.refresh_from_db()
    assert (drift.acknowledged_by, drift.acknowledgement_reason) == (
        owner,
        "Lena removes it on Friday.",
    )
    assert "Lena removes it on Friday." in _page(client, drift.tenant)
    line = ActivityLine.objects.get(action="drift-acknowledged")
    assert (line.actor, line.params["reason"]) == (owner, "Lena removes it on Friday.")


@pytest.mark.parametrize("until", ["", "yesterday", "2026-01-01"])
def test_invalid_mute_day_is_refused(
    drift: Drift, consultant: User, signed_in: SignIn, until: str
) -> None:
    status, html = _post(signed_in(consultant), drift, "mute", until=until)

    drift.refresh_from_db()
    assert (status, drift.muted_until) == (422, None)
    assert f'value="{until}"' in html or not until


def test_mute_until_end_of_day(drift: Drift, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    day = (timezone.now() + timedelta(days=3)).date()

    _post(client, drift, "mute", until=day.isoformat())
    drift.refresh_from_db()
    assert drift.muted_until is not None
    assert (drift.muted_until.date(), drift.muted_until.hour) == (day, 23)
    assert reverse("onboarding:drift-unmute", args=[drift.tenant.public_id, drift.public_id]) in (
        _page(client, drift.tenant)
    )

    _post(client, drift, "unmute")
    drift.refresh_from_db()
    assert drift.muted_until is None


def test_region_change_is_accepted(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    Monitoring.objects.create(tenant=tenant, started_at=START, reason="closed")
    drift = Drift.objects.create(
        tenant=tenant,
        kind="region_changed",
        subject="US",
        findings=[
            {"field": "SPF ranges", "removed": ["192.0.2.0/24"], "added": ["198.51.100.0/24"]}
        ],
    )
    client = signed_in(consultant)
    assert "SPF ranges: 192.0.2.0/24 removed, 198.51.100.0/24 added." in " ".join(
        " ".join(texts(_page(client, tenant), "li")).split()
    )

    assert _post(client, drift, "accept", reason="")[0] == 422
    _post(client, drift, "accept", reason="The firewall has it since Monday.")

    drift.refresh_from_db()
    assert (drift.resolution, drift.resolution_reason) == (
        "applied",
        "The firewall has it since Monday.",
    )
    assert Monitoring.objects.get().region_values["mx"]


def test_action_on_closed_drift_is_refused(
    drift: Drift, owner: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    client = signed_in(owner)
    run_check(drift.tenant, CheckKind.MX, Verdict.PASS, minutes=DAY + 60)

    status, html = _post(client, drift, "acknowledge", reason="Seen.")

    drift.refresh_from_db()
    assert (status, drift.acknowledged_by) == (422, None)
    assert texts(html, "h1") == ["Drift"]
    assert texts(html, ".errorlist") == ["This drift is closed already. Nothing was changed."]
    assert "Seen." in texts(html, "textarea") or 'value="Seen."' in html
    assert "Past drift" in texts(_page(client, drift.tenant), "h2")


@pytest.mark.slow
def test_drifted_closed_tenants_are_listed(
    drift: Drift, consultant: User, manager: User, signed_in: SignIn
) -> None:
    name = drift.tenant.name
    Tenant.objects.filter(pk=drift.tenant_id).update(closed_at=START, completed_at=START)
    listed = reverse("onboarding:tenant-list")
    dashboard = reverse("onboarding:dashboard")

    client = signed_in(consultant)
    assert name not in texts(client.get(listed).content.decode(), ".name")
    (views,) = texts(client.get(listed).content.decode(), ".view-tabs")
    assert "Drift since go-live 1" in views
    assert texts(client.get(f"{listed}?show=drifted").content.decode(), ".name") == [name]

    client = signed_in(manager)
    html = client.get(dashboard).content.decode()
    assert _open_follow_up(html) == "1"
    assert name not in _listed(html)
    for show in ("drifted", "closed"):
        assert _listed(client.get(f"{dashboard}?show={show}").content.decode()) == [name]


def _open_follow_up(dashboard: str) -> str:
    """The number of closed tenants with open follow-up, such as a drift."""
    return texts(dashboard, ".figure-number")[-2]


def _listed(dashboard: str) -> list[str]:
    """The tenants in the table. The cards above also name closed ones."""
    return texts(dashboard[dashboard.index('id="list"') :], ".name")


def test_muted_drift_is_not_counted(drift: Drift, manager: User, signed_in: SignIn) -> None:
    Drift.objects.update(muted_until=timezone.now() + timedelta(days=1))

    html = signed_in(manager).get(reverse("onboarding:dashboard")).content.decode()

    assert _open_follow_up(html) == "0"
    assert f'href="{reverse("onboarding:monitoring", args=[drift.tenant.public_id])}"' in html
