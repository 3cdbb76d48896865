"""Pages of the tenant list, the dashboard, the profile form and the domains matrix."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as date_format

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Discovery, Observation
from onboarding.models import Cutover, Plan
from onboarding.plan_templates import plan_creation
from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plans.forecast_inputs import forecasts_of
from onboarding.templatetags.plan_tags import signed, tree_lines
from tenants.models import Membership, Tenant, User
from tests.factories import MakeTenant, RunCheck
from tests.markup import texts

SignIn = Callable[[User], Client]


def _html(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return response.content.decode()


def test_empty_list_explains_tenants(consultant: User, signed_in: SignIn) -> None:
    html = _html(signed_in(consultant), reverse("onboarding:tenant-list"))

    assert texts(html, "h2")[0] == "No tenants yet"
    assert texts(html, ".empty")[0].endswith("Create the first tenant Import tenants")


@pytest.mark.parametrize(
    ("show", "is_closed", "heading", "target"),
    [
        ("mine", False, "No tenant is assigned to you", "?show=all"),
        ("all", True, "No open tenants", "?show=closed"),
    ],
)
def test_empty_list_names_the_other_tenants(
    tenant: Tenant,
    administrator: User,
    consultant: User,
    signed_in: SignIn,
    show: str,
    is_closed: bool,
    heading: str,
    target: str,
) -> None:
    closed_at = timezone.now() if is_closed else None
    Tenant.objects.update(consultant=administrator, closed_at=closed_at)
    address = reverse("onboarding:tenant-list")

    html = _html(signed_in(consultant), f"{address}?show={show}")

    assert texts(html, "h2")[0] == heading
    assert f'href="{address}{target}"' in html.partition("card empty")[2].partition("</div>")[0]


def test_client_with_closed_tenants_only(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    Tenant.objects.update(closed_at=timezone.now())

    html = _html(signed_in(owner), reverse("onboarding:tenant-list"))

    assert texts(html, "h2")[0] == "No open tenants"
    assert "?show=closed" in html.partition("card empty")[2].partition("</div>")[0]


def test_search_without_results_lists_its_scope(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    html = _html(signed_in(consultant), reverse("onboarding:tenant-list") + "?show=all&q=zebra")

    assert texts(html, "h2")[0] == "No tenant or domain matches “zebra”"


def test_dashboard_numbers_link_to_lists(tenant: Tenant, manager: User, signed_in: SignIn) -> None:
    html = _html(signed_in(manager), reverse("onboarding:dashboard"))

    shown = [part.split('"', 1)[0] for part in html.split("/dashboard/?show=")[1:]]
    assert shown == [
        "risk#list",
        "risk-soon#list",
        "risk#list",
        "active#list",
        "follow-up#list",
        "failing#list",
        "drifted#list",
    ]
    assert texts(html, ".figure-number") == ["0", "0", "1", "0", "–"]


def test_cutover_day_links_to_its_list(tenant: Tenant, manager: User, signed_in: SignIn) -> None:
    moment = timezone.now() + timedelta(days=3)
    Cutover.objects.create(plan=tenant.plan, direction="outbound", planned_at=moment)

    html = _html(signed_in(manager), reverse("onboarding:dashboard"))

    assert html.count(f'?first={moment:%Y-%m-%d}&amp;days=1"') == 1
    assert html.count('&amp;days=1"') == 1


@pytest.mark.parametrize("domain", ["two words.test", "🦓.test", "a" * 300, "192.0.2.1"])
def test_invalid_form_shows_values_and_errors(
    consultant: User, signed_in: SignIn, domain: str
) -> None:
    register_builtin_templates()
    typed = {
        "name": "Fabrikam",
        "region": "us",
        "domains-TOTAL_FORMS": "1",
        "domains-INITIAL_FORMS": "0",
        "domains-0-name": domain,
        "domains-0-role": "primary",
        "hosts-TOTAL_FORMS": "0",
        "hosts-INITIAL_FORMS": "0",
    }

    response = signed_in(consultant).post(reverse("onboarding:tenant-create"), typed)

    html = response.content.decode()
    assert response.status_code == 422
    assert 'value="Fabrikam"' in html
    assert len(texts(html, "#id_domains-0-name_error")) == 1
    assert 'aria-describedby="id_domains-0-name_error"' in html


NEW_TENANT = {
    "name": "Fabrikam",
    "region": "us",
    "platform": "microsoft_365",
    "directory_method": "entra_id",
    "authentication": "sso",
    "time_zone": "UTC",
    "domains-TOTAL_FORMS": "1",
    "domains-INITIAL_FORMS": "0",
    "domains-0-name": "fabrikam.test",
    "domains-0-role": "primary",
    "hosts-TOTAL_FORMS": "0",
    "hosts-INITIAL_FORMS": "0",
}


def test_new_tenant_without_a_template_is_explained(
    consultant: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_creation, "newest_template", lambda: None)

    response = signed_in(consultant).post(reverse("onboarding:tenant-create"), NEW_TENANT)

    html = response.content.decode()
    assert response.status_code == 422
    assert "No plan template is loaded yet" in html
    assert 'value="fabrikam.test"' in html
    assert not Tenant.objects.exists()


@pytest.mark.slow
def test_new_tenant_domains_are_scanned(consultant: User, signed_in: SignIn) -> None:
    register_builtin_templates()
    client = signed_in(consultant)

    client.post(reverse("onboarding:tenant-create"), NEW_TENANT)
    tenant = Tenant.objects.get(name="Fabrikam")
    assert [seen.domain.name for seen in Discovery.objects.all()] == ["fabrikam.test"]
    assert Discovery.objects.get().is_in_progress

    primary = tenant.domains.get()
    seen = client.get(reverse("onboarding:profile-edit", args=[tenant.public_id]))
    added = NEW_TENANT | {
        "expected": seen.context["profile"]["expected"].value(),
        "domains-TOTAL_FORMS": "2",
        "domains-INITIAL_FORMS": "1",
        "domains-0-id": str(primary.pk),
        "domains-1-name": "second.test",
        "domains-1-role": "secondary",
    }
    client.post(reverse("onboarding:profile-edit", args=[tenant.public_id]), added)

    looked = Discovery.objects.order_by("pk").values_list("domain__name", flat=True)
    assert list(looked) == ["fabrikam.test", "second.test"]


@pytest.mark.usefixtures("fixed_monday")
def test_domains_page_links_to_evidence(
    tenant: Tenant, owner: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.PASS)
    check = Check.objects.get(tenant=tenant, kind="spf")
    address = reverse("onboarding:domains", args=[tenant.public_id])

    html = _html(signed_in(owner), f"{address}?check={check.public_id}")

    links = texts(html, ".cell")
    assert [link.split()[0] for link in links] == ["Not", "Verified", *["Not"] * 5]
    assert texts(html, "#evidence-title") == ["SPF · northwind.test"]
    assert 'aria-current="true"' in html.split(f'id="cell-{check.public_id}"')[1].split(">")[0]


def test_evidence_names_unqueried_servers_and_spf_problems(
    tenant: Tenant, owner: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.SPF, Verdict.FAIL)
    check = Check.objects.get(tenant=tenant, kind="spf")
    Observation.objects.filter(check_asked=check).update(
        evidence={
            "servers": [{"name": "ns1.test", "address": "192.0.2.1", "status": "no-record"}],
            "unqueried": ["ns1.test (2001:db8::1)", "ns2.test (2001:db8::2)"],
            "tree": {"term": "v=spf1", "children": [{"term": "include:a.test", "problem": "loop"}]},
        }
    )
    address = reverse("onboarding:domains", args=[tenant.public_id])

    html = _html(signed_in(owner), f"{address}?check={check.public_id}")

    assert texts(html, ".bad") == ["the record includes itself"]
    assert (
        "Not queried, because this machine has no IPv6: "
        "ns1.test (2001:db8::1) and ns2.test (2001:db8::2)."
    ) in texts(html, ".small")


def test_stranger_page_reveals_nothing(tenant: Tenant, outsider: User, signed_in: SignIn) -> None:
    html = _html(
        signed_in(outsider), reverse("onboarding:plan-show", args=[tenant.public_id]), status=404
    )

    assert texts(html, "h1") == ["Page not found"]
    assert "Northwind" not in html


def test_sign_in_page_is_one_styled_form(client: Client, db: None) -> None:
    html = _html(client, reverse("account_login"))

    assert texts(html, "h1") == ["Sign in"]
    assert texts(html, "label")[:2] == ["E-mail address", "Password"]


def test_spf_tree_lines_have_depths() -> None:
    tree = {
        "term": "a",
        "children": [{"term": "b", "children": [{"term": "c"}]}, {"term": "d", "children": []}],
    }

    assert [(depth, node["term"]) for depth, node in tree_lines(tree)] == [
        (0, "a"),
        (1, "b"),
        (2, "c"),
        (1, "d"),
    ]


@pytest.mark.parametrize(("days", "text"), [(2.6, "+3"), (0.2, "0"), (-1.5, "−2")])
def test_difference_has_a_sign(days: float, text: str) -> None:
    assert signed(days) == text


@pytest.mark.slow
def test_tenant_list_shows_the_forecast(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    tenants = [
        make_tenant(name, domains=((f"{name.lower()}.test", "primary"),), consultant=consultant)
        for name in ("Alpha", "Beta", "Closed", "Done")
    ]
    Tenant.objects.filter(name="Closed").update(closed_at=timezone.now())
    Plan.objects.filter(tenant__name="Done").update(tasks_total=1, tasks_complete=1)
    forecasts = forecasts_of(tenants[:2], now=timezone.now())

    html = _html(signed_in(consultant), reverse("onboarding:tenant-list"))
    closed = _html(signed_in(consultant), reverse("onboarding:tenant-list") + "?show=closed")

    # A plan whose tasks are done has no forecast, nor has a closed tenant.
    linked = [reverse("onboarding:schedule", args=[tenant.public_id]) for tenant in tenants]
    rows = [part.split("</td>")[0] for part in html.split('data-column="Forecast"')[1:]]
    assert [address in row for row, address in zip(rows, linked[:2], strict=False)] == [True] * 2
    for row, tenant in zip(rows, tenants[:2], strict=False):
        assert date_format(forecasts[tenant.pk].finish, "D j M Y") in row
    assert [address in html + closed for address in linked[2:]] == [False, False]


def test_client_has_no_forecast_in_the_list(
    tenant: Tenant, make_tenant: MakeTenant, owner: User, signed_in: SignIn
) -> None:
    Membership.objects.create(tenant=make_tenant("Second"), user=owner, role="owner")

    html = _html(signed_in(owner), reverse("onboarding:tenant-list"))

    assert tenant.name in html
    assert "Forecast" not in html
