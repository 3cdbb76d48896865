"""The API of the list of tenants: filters, saved views, bulk actions, cloned profiles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from onboarding.models import PlanFigures, PlanRisk, SavedView
from onboarding.portfolio import risk_updates
from onboarding.portfolio.tenant_list import saved_views
from onboarding.portfolio.tenant_list.conditions import TenantConditions
from tenants.models import ActivityLine, Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.factories import MakeTenant


@pytest.fixture
def tenants(
    make_tenant: MakeTenant, consultant: User, monkeypatch: pytest.MonkeyPatch
) -> list[Tenant]:
    monkeypatch.setattr(risk_updates, "refresh", lambda tenants: None)
    made = [make_tenant("Alpha", consultant=consultant), make_tenant("Beta"), make_tenant("Gone")]
    PlanFigures.objects.all().delete()
    PlanRisk.objects.all().delete()
    now = timezone.now()
    PlanFigures.objects.create(
        plan=made[0].plan,
        current_phase="cutover",
        waiting_on="client",
        next_cutover_at=now + timedelta(days=3),
    )
    Tenant.objects.filter(name="Gone").update(closed_at=now, platform="hybrid")
    return made


def _names(api: ApiClient, query: str) -> list[str]:
    response = api.get(f"tenants/?{query}")
    assert response.status_code == 200, response.content
    return [each["name"] for each in response.json()["results"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Alpha", "Beta", "Gone"]),
        ("status=active", ["Alpha", "Beta"]),
        ("status=active&status=closed", ["Alpha", "Beta", "Gone"]),
        ("platform=hybrid", ["Gone"]),
        ("region=us", ["Alpha", "Beta", "Gone"]),
        ("phase=cutover", ["Alpha"]),
        ("consultant=me", ["Alpha"]),
        ("risk=any", []),
        ("waiting_on=client", ["Alpha"]),
        ("next_cutover=7", ["Alpha"]),
        ("q=bet", ["Beta"]),
        ("closed=true", ["Gone"]),
    ],
)
def test_api_has_the_filters_of_the_page(
    tenants: list[Tenant], api: ApiClient, query: str, names: list[str]
) -> None:
    assert _names(api, query) == names


@pytest.mark.parametrize("name", ["status", "risk", "waiting_on", "next_cutover", "platform"])
def test_unknown_filter_value_is_named(api: ApiClient, name: str) -> None:
    response = api.get(f"tenants/?{name}=mistyped")

    assert response.status_code == 422
    assert list(response.json()["errors"]) == [name]
    assert name in TenantConditions.base_filters


def test_saved_view_filters_the_list(
    tenants: list[Tenant], api: ApiClient, consultant: User, manager: User
) -> None:
    own = saved_views.create_view(
        "Mine", "consultant=me", is_shared=False, is_default=False, by=consultant
    )
    other = saved_views.create_view("M", "", is_shared=False, is_default=False, by=manager)

    assert _names(api, f"view={own.public_id}") == ["Alpha"]
    assert api.get(f"tenants/?view={other.public_id}").status_code == 422


def test_token_of_one_tenant_reads_no_views(
    tenants: list[Tenant], consultant: User, manager: User
) -> None:
    own = SavedView.objects.create(owner=consultant, name="Beta weekly", query="q=Beta")
    SavedView.objects.create(owner=manager, name="Gone weekly", query="q=Gone", is_shared=True)
    limited, unlimited = client_for(consultant, tenant=tenants[0]), client_for(consultant)

    assert len(unlimited.get("saved-views/").json()["results"]) == 2
    # A permission of all tenants is refused, or the list is empty.
    assert limited.get("saved-views/").json().get("results", []) == []
    answers = [
        limited.get(f"saved-views/{own.public_id}/"),
        limited.get(f"tenants/?view={own.public_id}"),
        limited.send("DELETE", f"saved-views/{own.public_id}/", If_Match="*"),
    ]
    assert [each.status_code for each in answers] == [404, 422, 403]
    assert SavedView.objects.count() == 2


def test_view_lives_through_the_api(api: ApiClient, consultant: User, manager: User) -> None:
    made = api.post("saved-views/", {"name": "A", "query": "risk=any&page=9&sort=name"})
    address = f"saved-views/{made.json()['id']}/"
    body = {"name": "B", "is_shared": True}

    changed = api.patch(address, body, If_Match=made["ETag"])
    outdated = api.patch(address, body, If_Match=made["ETag"])
    seen = client_for(manager).get("saved-views/").json()["results"]
    refused = client_for(manager).send("DELETE", address, If_Match="*")
    removed = api.send("DELETE", address, If_Match=changed["ETag"])

    assert (made.status_code, made.json()["query"]) == (201, "risk=any")
    assert (changed.json()["name"], changed.json()["query"]) == ("B", "risk=any")
    assert [each["name"] for each in seen] == ["B"]
    assert [outdated.status_code, refused.status_code, removed.status_code] == [412, 403, 204]
    assert not SavedView.objects.exists()


def test_bulk_has_one_result_per_tenant(
    tenants: list[Tenant], api: ApiClient, consultant: User
) -> None:
    ids = [tenants[2].public_id, "nobody", tenants[1].public_id]
    body = {"action": "assign-consultant", "tenants": ids, "consultant": consultant.public_id}

    response = api.post("tenants/bulk/", body)

    found = [(each["tenant"], each["status"]) for each in response.json()["results"]]
    assert found == list(zip(ids, [403, 404, 200], strict=True))
    assert response.json()["results"][2]["result"] == {
        "detail": "The consultant is Con Sultant now."
    }
    tenants[1].refresh_from_db()
    assert tenants[1].consultant == consultant


def test_token_of_one_tenant_reaches_no_other(tenants: list[Tenant], consultant: User) -> None:
    api = client_for(consultant, tenant=tenants[0])
    ids = [tenant.public_id for tenant in tenants[:2]]

    response = api.post("tenants/bulk/", {"action": "run-checks", "tenants": ids})

    assert (response.status_code, response.json()["code"]) == (403, "scope-too-narrow")
    assert not ActivityLine.objects.filter(action="check-requested").exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "erase", "tenants": ["x"]}, "action"),
        ({"action": "remind", "tenants": []}, "tenants"),
        ({"action": "remind", "tenants": [str(n) for n in range(51)]}, "tenants"),
        ({"action": "assign-consultant", "tenants": ["x"]}, "consultant"),
        ({"action": "assign-consultant", "tenants": ["x"], "consultant": "y"}, "consultant"),
    ],
)
def test_bad_bulk_request_is_refused(api: ApiClient, body: Any, field: str) -> None:
    response = api.post("tenants/bulk/", body)

    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]


def test_new_tenant_with_cloned_profile(
    make_tenant: MakeTenant, api: ApiClient, consultant: User
) -> None:
    source = make_tenant("Source", platform="hybrid", journaling=True, account_code="CUSA13A1")
    body = {
        "name": "Copy",
        "clone_profile_of": source.public_id,
        "journaling": False,
        "domains": [{"name": "copy-company.com", "role": "primary"}],
    }

    response = api.post("tenants/", body)

    assert response.status_code == 201, response.content
    made = Tenant.objects.get(name="Copy")
    assert (made.platform, made.region, made.journaling) == ("hybrid", source.region, False)
    assert (made.account_code, made.hosts.count(), made.consultant) == ("", 0, consultant)
    assert [domain.name for domain in made.domains.all()] == ["copy-company.com"]


def test_missing_profile_is_refused(api: ApiClient) -> None:
    domains = [{"name": "copy-company.com", "role": "primary"}]

    missing = api.post("tenants/", {"name": "Copy", "region": "us", "domains": domains})
    unknown = api.post(
        "tenants/", {"name": "Copy", "clone_profile_of": "nobody", "domains": domains}
    )

    assert list(missing.json()["errors"]) == ["directory_method", "platform"]
    assert list(unknown.json()["errors"]) == ["clone_profile_of"]
