"""The reason for a removal or cancellation after which inbound mail would switch first."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.cutovers.planning import plan_cutover
from onboarding.models import Cutover, DomainProgress
from tenants.models import Domain, Tenant, User
from tests.actions import data_of, forms_on
from tests.api.clients import ApiClient, client_for
from tests.clock import at
from tests.factories import MakeTenant, SignIn, task_of
from tests.markup import texts

pytestmark = pytest.mark.usefixtures("fixed_monday")

STRANDED = (
    "The inbound cutover of two.test remains planned. No outbound cutover is planned or done, so"
    " inbound mail would switch first. Enter the reason for this change, or cancel the inbound"
    " cutover first."
)


@pytest.fixture
def api(consultant: User) -> ApiClient:
    return client_for(consultant)


@pytest.fixture
def planned(make_tenant: MakeTenant, consultant: User) -> Tenant:
    """Outbound mail of one.test, and later inbound mail of two.test, which sends nothing."""
    tenant = make_tenant(domains=(("two.test", "primary"), ("one.test", "secondary")))
    one, two = tenant.domains.get(name="one.test"), tenant.domains.get(name="two.test")
    DomainProgress.objects.create(
        task=task_of(tenant, "outbound-cutover"),
        domain=two,
        exempted_at=timezone.now(),
        exempt_reason="It sends nothing.",
    )
    plan_cutover(tenant.plan, "outbound", at("2 Mon 19:00"), [one], by=consultant)
    plan_cutover(tenant.plan, "inbound", at("3 Mon 19:00"), [two], by=consultant)
    return tenant


def _inbound(tenant: Tenant) -> Cutover:
    return Cutover.objects.get(plan__tenant=tenant, direction="inbound")


def _address(tenant: Tenant, kind: str) -> str:
    if kind == "domain":
        domain = tenant.domains.get(name="one.test")
        return reverse("api:domain", args=[tenant.public_id, domain.public_id])
    outbound = Cutover.objects.get(plan__tenant=tenant, direction="outbound")
    return reverse("api:cutover", args=[tenant.public_id, outbound.public_id])


@pytest.mark.parametrize("kind", ["domain", "cutover"])
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", STRANDED),
        ("?reason=%20", STRANDED),
        (f"?reason={'x' * 1001}", "Ensure this value has at most 1000 characters (it has 1001)."),
    ],
)
def test_api_refuses_without_valid_reason(
    planned: Tenant, api: ApiClient, kind: str, query: str, sentence: str
) -> None:
    refused = api.delete(_address(planned, kind) + query, If_Match="*")

    assert (refused.status_code, refused.json()["errors"]) == (422, {"reason": [sentence]})
    assert Domain.objects.filter(tenant=planned, name="one.test").exists()
    assert [str(d) for c in Cutover.objects.order_by("planned_at") for d in c.domains.all()] == [
        "one.test",
        "two.test",
    ]
    assert _inbound(planned).planning_reason == ""


@pytest.mark.parametrize("kind", ["domain", "cutover"])
def test_api_stores_the_reason(planned: Tenant, api: ApiClient, kind: str) -> None:
    done = api.delete(f"{_address(planned, kind)}?reason=It+was+sold.", If_Match="*")

    inbound = _inbound(planned)
    assert done.status_code == 204
    assert (inbound.planning_reason, list(inbound.planning_cautions)) == ("It was sold.", ["order"])


def _removal(page: Any) -> dict[str, Any]:
    """The data of the profile form, with the removal of one.test."""
    forms = forms_on(page.content.decode())
    form = next(f for f in forms if any(e["name"] == "domains-TOTAL_FORMS" for e in f.fields))
    rows = page.context["domains"].initial_forms
    row = next(each for each in rows if each.instance.name == "one.test")
    return next(data_of(form)) | {f"{row.prefix}-DELETE": "on"}


def test_page_asks_for_the_reason(planned: Tenant, consultant: User, signed_in: SignIn) -> None:
    client, url = (
        signed_in(consultant),
        reverse("onboarding:profile-edit", args=[planned.public_id]),
    )
    form = _removal(client.get(url))

    asked = client.post(url, form)
    confirmed = form | {"confirmed_removals": asked.context["removals_fingerprint"]}
    refused = client.post(url, confirmed)
    too_long = client.post(url, confirmed | {"removal-reason": "x" * 1001})
    was_there = planned.domains.filter(name="one.test").exists()
    done = client.post(url, confirmed | {"removal-reason": "It was sold."})

    assert texts(asked.content.decode(), "#id_removal-reason_error") == []
    assert 'name="removal-reason"' in asked.content.decode()
    assert (refused.status_code, too_long.status_code, was_there) == (422, 422, True)
    assert texts(refused.content.decode(), "#id_removal-reason_error") == [STRANDED]
    assert "x" * 1001 in too_long.content.decode()
    assert (done.status_code, _inbound(planned).planning_reason) == (302, "It was sold.")


def test_removal_without_effect_needs_no_reason(
    planned: Tenant, api: ApiClient, consultant: User
) -> None:
    _inbound(planned).delete()

    assert api.delete(_address(planned, "domain"), If_Match="*").status_code == 204
