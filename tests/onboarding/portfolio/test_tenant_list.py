"""The list of tenants: filters, order, columns and built-in views."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Drift, Plan, PlanFigures, PlanRisk
from onboarding.portfolio import risk_updates
from onboarding.portfolio.tenant_list.columns import COLUMNS, DEFAULT_COLUMNS, SORTS
from onboarding.portfolio.tenant_list.list_state import FILTERS
from onboarding.portfolio.tenant_list.rows import STAFF_FILE_COLUMNS
from tenants.models import Domain, Membership, Tenant, User
from tests.api.clients import client_for
from tests.factories import MakeTenant
from tests.markup import texts

SignIn = Callable[[User], Client]
LIST = "/tenants/"


def _headings(html: str) -> list[str]:
    """The headings of the table, without that of the boxes."""
    return [text for text in texts(_head(html), "th") if text]


def _head(html: str) -> str:
    return html.partition("<thead>")[2].partition("</thead>")[0]


def _names(client: Client, query: str) -> list[str]:
    return texts(client.get(f"{LIST}?{query}").content.decode(), ".name")


@pytest.fixture
def listed(
    make_tenant: MakeTenant, consultant: User, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Tenant]:
    """Tenants that differ in every filtered value. The figures are those of the table below."""
    monkeypatch.setattr(risk_updates, "refresh", lambda tenants: None)
    now = timezone.now()
    made = {name: make_tenant(name, domains=()) for name in ("Alpha", "Beta", "Gamma", "Delta")}
    Domain.objects.create(tenant=made["Beta"], name="mail.example.test")
    PlanFigures.objects.all().delete()
    PlanRisk.objects.all().delete()
    rows = {
        "Alpha": ("accounts", "client", now - timedelta(days=9), now + timedelta(days=3), 5),
        "Beta": ("cutover", "mimecast", now - timedelta(days=2), now + timedelta(days=10), -2),
        "Gamma": ("cutover", "both", now - timedelta(days=4), now - timedelta(days=1), None),
        "Delta": ("", "", None, None, None),
    }
    for name, (phase, side, since, cutover, slip) in rows.items():
        PlanFigures.objects.create(
            plan=made[name].plan,
            current_phase=phase,
            waiting_on=side,
            waiting_since=since,
            next_cutover_at=cutover,
            forecast_on=date(2027, 1, 1) + timedelta(days=slip) if slip is not None else None,
            slip_days=slip,
        )
    _add_risk(made["Alpha"], "waiting", None, now - timedelta(days=1))
    _add_risk(made["Gamma"], "blocked", now + timedelta(days=1), now)
    Tenant.objects.filter(name="Alpha").update(consultant=consultant, region="eu")
    Tenant.objects.filter(name="Beta").update(platform="google_workspace")
    Plan.objects.filter(tenant__name="Delta").update(tasks_total=3, tasks_complete=3)
    closed = make_tenant("Omega", domains=(), consultant=consultant)
    Tenant.objects.filter(pk=closed.pk).update(closed_at=now)
    Drift.objects.create(tenant=closed, kind="leftover_mx", subject="omega.test")
    return {**made, "Omega": closed}


def _add_risk(tenant: Tenant, code: str, window: datetime | None, since: datetime) -> None:
    params = {"target": "t", "phase": "p", "key": "k", "task": "T", "tasks": "T", "days": 9}
    params |= {"side": "client", "direction": "outbound"}
    PlanRisk.objects.create(
        plan=tenant.plan, code=code, position=0, params=params, cutover_at=window, since=since
    )


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=", ["Alpha", "Beta", "Delta", "Gamma"]),
        ("q=example.test", ["Beta"]),
        ("q=ALPH", ["Alpha"]),
        ("q=beta+mail.example", ["Beta"]),
        ("q=beta+other.test", []),
        ("status=active", ["Alpha", "Beta", "Gamma"]),
        ("status=complete", ["Delta"]),
        ("status=closed", ["Omega"]),
        ("status=complete&status=closed", ["Delta", "Omega"]),
        ("status=drifted", ["Omega"]),
        ("risk=any", ["Alpha", "Gamma"]),
        ("risk=none", ["Beta", "Delta"]),
        ("risk=waiting", ["Alpha"]),
        ("risk=waiting&risk=blocked", ["Alpha", "Gamma"]),
        ("risk=any&risk=none", ["Alpha", "Beta", "Delta", "Gamma"]),
        ("waiting_on=client", ["Alpha", "Gamma"]),
        ("waiting_on=mimecast", ["Beta", "Gamma"]),
        ("phase=cutover", ["Beta", "Gamma"]),
        ("phase=accounts&phase=cutover", ["Alpha", "Beta", "Gamma"]),
        ("phase=unknown", []),
        ("next_cutover=7", ["Alpha"]),
        ("next_cutover=14", ["Alpha", "Beta"]),
        ("next_cutover=overdue", ["Gamma"]),
        ("next_cutover=none", ["Delta"]),
        ("next_cutover=later", []),
        ("region=eu", ["Alpha"]),
        ("platform=google_workspace", ["Beta"]),
        ("consultant=me", ["Alpha"]),
        ("consultant=none", ["Beta", "Delta", "Gamma"]),
        ("consultant=none&consultant=me", ["Alpha", "Beta", "Delta", "Gamma"]),
        ("consultant=unknown", []),
        ("consultant=me&risk=blocked", []),
        ("show=mine", ["Alpha"]),
        ("show=all", ["Alpha", "Beta", "Delta", "Gamma"]),
        ("show=drifted", ["Omega"]),
        ("show=unknown", ["Alpha"]),
        ("", ["Alpha"]),
    ],
)
def test_filters_choose_tenants(
    listed: dict[str, Tenant], consultant: User, signed_in: SignIn, query: str, names: list[str]
) -> None:
    assert _names(signed_in(consultant), query) == names


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in ("q", "phase")])
def test_unknown_value_shows_no_tenant(
    listed: dict[str, Tenant], consultant: User, signed_in: SignIn, name: str
) -> None:
    client = signed_in(consultant)

    assert _names(client, f"{name}=mistyped") == []


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["Alpha", "Beta", "Delta", "Gamma"]),
        ("-name", ["Gamma", "Delta", "Beta", "Alpha"]),
        ("risk", ["Gamma", "Alpha", "Beta", "Delta"]),
        ("waiting", ["Alpha", "Gamma", "Beta", "Delta"]),
        ("cutover", ["Gamma", "Alpha", "Beta", "Delta"]),
        ("-cutover", ["Beta", "Alpha", "Gamma", "Delta"]),
        ("forecast", ["Beta", "Alpha", "Delta", "Gamma"]),
        ("slip", ["Alpha", "Beta", "Delta", "Gamma"]),
        ("consultant", ["Alpha", "Beta", "Delta", "Gamma"]),
        ("phase", ["Alpha", "Beta", "Gamma", "Delta"]),
        ("mistyped", ["Alpha", "Beta", "Delta", "Gamma"]),
    ],
)
def test_order_puts_missing_values_last(
    listed: dict[str, Tenant], consultant: User, signed_in: SignIn, sort: str, names: list[str]
) -> None:
    assert _names(signed_in(consultant), f"sort={sort}") == names


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_every_order_has_each_tenant_once(
    listed: dict[str, Tenant], consultant: User, signed_in: SignIn, sort: str
) -> None:
    found = _names(signed_in(consultant), f"sort={sort}")

    assert sorted(found) == ["Alpha", "Beta", "Delta", "Gamma"]


def test_chosen_columns_are_shown_in_order(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)

    chosen = client.get(f"{LIST}?column=due&column=risk").content.decode()
    default = client.get(f"{LIST}?q=").content.decode()

    assert _headings(chosen) == ["Tenant ↓", "Risk", "Due date"]
    assert _headings(default)[1:] == [COLUMNS[key].label for key in DEFAULT_COLUMNS]


def test_manager_has_no_bulk_actions(tenant: Tenant, manager: User, signed_in: SignIn) -> None:
    html = signed_in(manager).get(LIST).content.decode()

    assert texts(html, ".name") == ["Northwind"]
    assert 'name="tenant"' not in html


def test_client_has_own_columns_only(
    tenant: Tenant, make_tenant: MakeTenant, owner: User, signed_in: SignIn
) -> None:
    Membership.objects.create(tenant=make_tenant("Second"), user=owner, role="owner")
    make_tenant("Stranger")

    html = signed_in(owner).get(f"{LIST}?column=risk&column=forecast&sort=risk").content.decode()

    expected = ["Tenant", "Phase", "Tasks done", "Next cutover", "Checks", "Consultant"]
    assert _headings(html) == expected
    assert texts(html, ".name") == ["Northwind", "Second"]
    assert texts(html, ".popover") == []


def test_filtered_rows_are_a_fragment(tenant: Tenant, manager: User, signed_in: SignIn) -> None:
    headers = {
        "HX-Request": "true",
        "HX-Target": "tenant-results",
        "HX-Trigger": "tenant-filter",
    }

    response = signed_in(manager).get(f"{LIST}?q=north&risk=&sort=name&column=", headers=headers)

    assert response.content.decode().lstrip().startswith("<div")
    assert texts(response.content.decode(), "h1") == []
    assert response["HX-Push-Url"] == f"{LIST}?q=north"


@pytest.mark.parametrize("number", [1, 50])
@pytest.mark.parametrize(("is_cached", "queries"), [(True, 16), (False, 36)])
def test_query_count_is_constant(
    make_tenant: MakeTenant,
    consultant: User,
    signed_in: SignIn,
    django_assert_num_queries: Any,
    number: int,
    is_cached: bool,
    queries: int,
) -> None:
    for at in range(number):
        make_tenant(f"T{at}", domains=((f"t{at}.test", "primary"),))
    client = signed_in(consultant)
    for _ in range(1 + number // risk_updates.MOST_AT_ONCE):
        client.get(f"{LIST}?show=all")
    if not is_cached:
        cache.clear()

    with django_assert_num_queries(queries):
        response = client.get(f"{LIST}?show=all")

    assert len(texts(response.content.decode(), ".name")) == number


def test_stored_row_follows_the_figures(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    client.get(f"{LIST}?show=all")
    PlanFigures.objects.filter(plan=tenant.plan).update(forecast_on=date(2031, 5, 6))
    Plan.objects.filter(tenant=tenant).update(risks_valid_until=datetime(2040, 1, 1, tzinfo=UTC))

    html = client.get(f"{LIST}?show=all").content.decode()

    assert "Tue 6 May 2031" in html


def test_next_cutover_needs_no_figures(
    tenant: Tenant, consultant: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk_updates, "refresh", lambda tenants: None)
    PlanFigures.objects.all().delete()

    html = signed_in(consultant).get(f"{LIST}?show=all").content.decode()

    assert "Not computed yet" in texts(html, ".risk-cell")[0]
    assert reverse("onboarding:plan-show", args=[tenant.public_id]) in html


STAFF_QUERIES = [
    "risk=any",
    "risk=none",
    "risk=waiting",
    "waiting_on=client",
    "waiting_on=mimecast",
]


@pytest.mark.parametrize("query", STAFF_QUERIES)
def test_client_learns_nothing_from_filters_of_staff(
    listed: dict[str, Tenant], owner: User, signed_in: SignIn, query: str
) -> None:
    for name in ("Alpha", "Beta"):
        Membership.objects.create(tenant=listed[name], user=owner, role="owner")

    names = _names(signed_in(owner), query)
    response = client_for(owner).get(f"tenants/?{query}")

    assert (names, response.json()["results"]) == ([], [])


@pytest.mark.parametrize("sort", ["slip", "forecast", "risk", "waiting", "due", "created"])
def test_client_sorts_by_own_columns_only(
    listed: dict[str, Tenant], owner: User, signed_in: SignIn, sort: str
) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        Membership.objects.create(tenant=listed[name], user=owner, role="owner")
    Plan.objects.filter(tenant=listed["Gamma"]).update(tasks_complete=3)
    client = signed_in(owner)
    default = _names(client, "q=")

    assert (_names(client, f"sort={sort}"), _names(client, f"sort=-{sort}")) == (default, default)
    assert _names(client, "sort=-phase") != default


@pytest.fixture
def mixed(listed: dict[str, Tenant], consultant: User, manager: User) -> User:
    """A manager who follows the consultant of Alpha, and belongs to the client Gamma."""
    manager.followed_consultants.add(consultant)
    Membership.objects.create(tenant=listed["Gamma"], user=manager, role="owner")
    return manager


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=", ["Alpha", "Gamma"]),
        ("risk=any", ["Alpha"]),
        ("risk=blocked", []),
        ("risk=none", []),
        ("waiting_on=client", ["Alpha"]),
        ("sort=risk", ["Alpha", "Gamma"]),
        ("sort=-risk", ["Alpha", "Gamma"]),
        ("sort=-waiting", ["Alpha", "Gamma"]),
    ],
)
def test_manager_sees_facts_for_staff_of_followed_tenants(
    mixed: User, signed_in: SignIn, query: str, names: list[str]
) -> None:
    assert _names(signed_in(mixed), query) == names


def test_row_follows_the_role_in_its_tenant(mixed: User, signed_in: SignIn) -> None:
    client = signed_in(mixed)
    columns = "".join(f"&column={key}" for key in COLUMNS)

    table, _ = client.get(f"{LIST}?q={columns}").content.decode().split("</table>")
    rows = table.split('<th scope="row">')[1:]
    export: Any = client.get("/tenants/export/?q=")
    lines = b"".join(export.streaming_content).decode().splitlines()
    dashboard = client.get("/dashboard/").content.decode()

    assert [("At risk" in row, "days" in row) for row in rows] == [(True, True), (False, False)]
    found = {line["Tenant"]: line for line in csv.DictReader(lines)}
    assert [bool(found[name]["Risks"]) for name in ("Alpha", "Gamma")] == [True, False]
    assert {found["Gamma"][column] for column in STAFF_FILE_COLUMNS} == {""}
    assert ("Alpha" in dashboard, "Gamma" in dashboard) == (True, False)
