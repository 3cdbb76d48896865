"""The forecast on the Schedule page and the dashboard, and the what-if."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Cutover, Task
from onboarding.plan_templates.registry import template_version_of
from onboarding.plans.forecast import forecast_of
from onboarding.plans.forecast_inputs import forecast_inputs, forecasts_of
from onboarding.plans.forecast_sources import load_rows
from onboarding.plans.rollup import recompute_rollup
from onboarding.portfolio.forecast_card import ForecastCard
from onboarding.portfolio.what_if import ForecastChange, what_if
from tenants.models import Tenant, User
from tests.clock import at
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn, task_of
from tests.markup import texts

pytestmark = pytest.mark.usefixtures("fixed_monday")


def card_of(client: Any, tenant: Tenant, **query: str) -> ForecastCard:
    card: ForecastCard = client.get(_page(tenant), query).context["card"]
    return card


def _page(tenant: Tenant) -> str:
    return reverse("onboarding:schedule", args=[tenant.public_id])


def _text(client: Any, tenant: Tenant, **query: str) -> str:
    return " ".join(texts(client.get(_page(tenant), query).content.decode(), "section"))


def test_page_names_the_one_action(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    task = task_of(tenant, "initial-conversation")
    # With three days, the weekend after the outbound cutover hides a day that is saved before it.
    Task.objects.filter(plan=tenant.plan, key="outbound-days").update(wait_days=2)

    text = _text(signed_in(consultant), tenant)

    assert f"complete “{task.title}” today (Mimecast and client)." in text
    assert "1 working day earlier" in text
    Task.objects.filter(pk=task.pk).update(assignee=consultant)
    assert f"complete “{task.title}” today ({consultant.name})." in _text(
        signed_in(consultant), tenant
    )


def test_page_shows_path_and_assumptions(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    text, card = _text(client, tenant), card_of(client, tenant)

    for span in card.forecast.path:
        assert span.step.title in text
    assert card.forecast.assumes
    for sentence in card.forecast.assumes:
        assert sentence in text
    assert f"{len(card.forecast.path)} tasks" in text


def test_page_shows_late_and_unplanned_cutovers(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover_of(tenant, "outbound", at("Thu 19:00"))

    text = _text(signed_in(consultant), tenant)

    assert "Outbound cutover of northwind.test: planned for Thu 3 Dec 2026, expected on" in text
    assert "working days later)" in text
    assert "not planned, possible from" in text


def test_late_window_can_be_the_action(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    cutover_of(tenant, "inbound", timezone.now() + timedelta(days=90))

    card = card_of(signed_in(consultant), tenant)

    assert card.action is not None
    assert (card.action.is_window, card.action.step.key) == (True, "mx-record-cutover")
    assert card.action.saved_days > 30


def test_client_sees_the_date_only(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    html = signed_in(owner).get(_page(tenant)).content.decode()

    assert "Forecast: all tasks done by" in " ".join(html.split())
    assert "forecast-title" not in html


@pytest.mark.slow
def test_lists_and_page_agree(
    make_tenant: MakeTenant, consultant: User, manager: User, signed_in: SignIn
) -> None:
    tenants = [
        make_tenant(f"T{n}", domains=((f"t{n}.test", "primary"),), consultant=consultant)
        for n in range(2)
    ]
    cutover_of(tenants[1], "inbound", timezone.now() + timedelta(days=60))
    client = signed_in(manager)
    expected = {tenant.name: card_of(client, tenant).forecast.finish for tenant in tenants}

    html = client.get(reverse("onboarding:dashboard")).content.decode()
    rows = list(
        csv.DictReader(
            client.get(reverse("onboarding:dashboard-csv")).getvalue().decode().splitlines()
        )
    )

    shown = re.findall(r'class="name"[^>]*>(T\d)<.*?schedule/"\s*>([^<]+)<', html, re.DOTALL)
    assert dict(shown) == {
        name: f"{day:%a} {day.day} {day:%b %Y}" for name, day in expected.items()
    }
    assert {row["Tenant"]: row["Forecast"] for row in rows} == {
        name: day.isoformat() for name, day in expected.items()
    }
    assert len(set(expected.values())) == 2


# --- What-if


def test_what_if_moves_a_cutover(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    before = card_of(client, tenant)

    card = card_of(client, tenant, inbound_on="2027-03-01")

    assert card.what_if is not None
    assert card.what_if.forecast.end_of("mx-record-cutover") == at("14 Mon 08:00").date()
    assert card.what_if.later_days > 0
    assert card.forecast.finish == before.forecast.finish
    assert "working days later than today’s forecast" in _text(
        client, tenant, inbound_on="2027-03-01"
    )
    assert not Cutover.objects.exists()


def test_what_if_completes_a_task(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)

    card = card_of(client, tenant, task="account-creation", done_on="2026-11-30")

    assert card.what_if is not None
    assert card.what_if.later_days < 0
    assert "working days earlier than today’s forecast" in card.what_if.difference


def test_what_if_changes_the_profile(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    """The what-if equals the forecast of a tenant with the changed profile."""
    tenant = make_tenant("Now")
    changed = make_tenant(
        "Changed",
        platform="google_workspace",
        directory_method="google",
        products=["internal_email_protect"],
    )
    (expected,) = forecasts_of(
        list(Tenant.objects.select_related("plan").filter(pk=changed.pk)), now=timezone.now()
    ).values()
    before = list(Task.objects.filter(plan=tenant.plan).values_list("applies", "status"))

    card = card_of(
        signed_in(consultant),
        tenant,
        platform="google_workspace",
        directory_method="google",
        add_product="internal_email_protect",
    )

    assert card.what_if is not None
    assert card.what_if.forecast.finish == expected.finish
    assert {key: (s.end, s.step.after) for key, s in card.what_if.forecast.spans.items()} == {
        key: (s.end, s.step.after) for key, s in expected.spans.items()
    }
    assert task_of(tenant, "gsuite-whitelist").title in card.what_if.added
    assert task_of(tenant, "azure-ad-sync").title in card.what_if.removed
    after = list(Task.objects.filter(plan=tenant.plan).values_list("applies", "status"))
    assert after == before


def test_what_if_requires_an_optional_task(tenant: Tenant) -> None:
    (rows,) = load_rows([tenant], now=timezone.now())
    definitions = {each.key: each for each in template_version_of(tenant.plan.template).tasks}
    current = forecast_of(forecast_inputs(rows))

    found = what_if(rows, definitions, ForecastChange({"dkim_in_use": True}), current)

    assert "dkim-update" not in current.spans
    assert "dkim-update" in found.forecast.spans


def test_what_if_reopens_a_group(tenant: Tenant) -> None:
    """A group whose only task was done has an open task after a change of the method."""
    now = timezone.now()
    done = Task.objects.filter(plan=tenant.plan, key__in=["azure-ad-sync", "recipient-validation"])
    done.update(client_confirmed_at=now, mimecast_confirmed_at=now)
    recompute_rollup(tenant.plan)
    (rows,) = load_rows([tenant], now=now)
    definitions = {each.key: each for each in template_version_of(tenant.plan.template).tasks}
    current = forecast_of(forecast_inputs(rows))

    change = ForecastChange({"directory_method": "google"})
    found = what_if(rows, definitions, change, current).forecast

    assert "directory-connector" not in current.spans
    assert found.spans["directory-connector"].step.after == ("g-suite-sync",)
    assert "directory-connector" in found.spans["authentication-options"].step.after


def test_empty_what_if_shows_no_result(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    card = card_of(signed_in(consultant), tenant, platform="", task="", done_on="")

    assert card.what_if is None


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"inbound_on": "2026-11-29"}, "This day is in the past. Enter today or a later day."),
        ({"inbound_on": "2030-01-01"}, "Enter a day within two years of today."),
        ({"inbound_on": "soon"}, "Enter a day, such as 2026-12-31."),
        (
            {"task": "account-creation"},
            "Choose both the task and the day on which it is done.",
        ),
        ({"done_on": "2026-12-01"}, "Choose both the task and the day on which it is done."),
    ],
)
def test_invalid_what_if_retains_input(
    tenant: Tenant, consultant: User, signed_in: SignIn, query: dict[str, str], sentence: str
) -> None:
    html = signed_in(consultant).get(_page(tenant), query).content.decode()

    assert texts(html, ".errorlist") == [sentence]
    for value in query.values():
        assert f'value="{value}"' in html
    assert 'id="what-if"' not in html


def test_page_with_all_tasks_done(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    Task.objects.filter(plan=tenant.plan).update(status="done")

    text = _text(signed_in(consultant), tenant)

    assert text.count("No open task is left.") >= 1


def test_closed_tenant_has_no_forecast(
    tenant: Tenant, consultant: User, manager: User, signed_in: SignIn
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())

    schedule = signed_in(consultant).get(_page(tenant))
    address = reverse("onboarding:dashboard-csv")
    lines = signed_in(manager).get(address).getvalue().decode().splitlines()

    assert schedule.context["card"] is None
    assert "forecast-title" not in schedule.content.decode()
    assert "No open task is left" not in schedule.content.decode()
    assert all(row["Forecast"] == "" for row in csv.DictReader(lines))
