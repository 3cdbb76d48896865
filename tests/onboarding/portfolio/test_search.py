"""Search: matches, permissions and order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.models import Contact, RequirementsSheet, SheetRow
from onboarding.portfolio import search
from onboarding.portfolio.search import MAX_RESULTS, find
from onboarding.requirements import services
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import read_entry
from tenants.models import Membership, Tenant, User
from tests.factories import MakeTenant, task_of
from tests.markup import texts

SignIn = Callable[[User], Client]


def _found(user: User, text: str, current_tenant: Tenant | None = None) -> dict[str, list[str]]:
    groups = find(user, text, current_tenant=current_tenant)
    return {group.title: [result.title for result in group.results] for group in groups}


def test_tenant_name_finds_tenant_and_domains(tenant: Tenant, consultant: User) -> None:
    assert _found(consultant, "northw") == {"Tenants": ["Northwind"], "Domains": ["northwind.test"]}


def test_tenant_and_term_find_task(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User
) -> None:
    make_tenant("Fabrikam", domains=(("fabrikam.test", "primary"),))

    groups = find(consultant, "northwind spf")

    (steps,) = groups
    assert [(result.tenant_id, result.title) for result in steps.results] == [
        (tenant.pk, task_of(tenant, "spf-update").title)
    ]


def test_current_tenant_is_first_closed_last(make_tenant: MakeTenant, consultant: User) -> None:
    made = {
        name: make_tenant(name, domains=((f"{name.lower()}.test", "primary"),))
        for name in ("Acme", "Beta", "Core")
    }
    Tenant.objects.filter(pk=made["Acme"].pk).update(closed_at="2026-11-01T00:00Z")

    (steps,) = find(consultant, "case closed", current_tenant=made["Core"])

    order = [made["Core"].pk, made["Beta"].pk, made["Acme"].pk]
    assert [result.tenant_id for result in steps.results] == order


def test_client_finds_no_other_tenant(tenant: Tenant, make_tenant: MakeTenant, owner: User) -> None:
    other = make_tenant("Northern Lights", domains=(("northern.test", "primary"),))
    Contact.objects.create(tenant=other, role="dns", name="Norton Essen")
    add_comment(task_of(other, "spf-update"), NewComment("north wind"), by=owner, side="client")

    assert _found(owner, "nort", current_tenant=other) == {
        "Tenants": ["Northwind"],
        "Domains": ["northwind.test"],
        "People": ["Owner Person"],  # by the address
    }


def test_row_search_excludes_prefilled_answers_and_other_tenants(
    tenant: Tenant, owner: User, outsider: User, consultant: User
) -> None:
    rows = SheetRow.objects.filter(sheet__task__plan__tenant=tenant, key="company")
    title = "Requirements sheet rows"
    assert title not in _found(consultant, "northwind", current_tenant=tenant)

    rows.update(source="")

    assert title in _found(owner, "northwind", current_tenant=tenant)
    assert title not in _found(outsider, "northwind", current_tenant=tenant)


def test_only_staff_find_internal_notes(tenant: Tenant, owner: User, consultant: User) -> None:
    task = task_of(tenant, "spf-update")
    add_comment(task, NewComment("Zebra budget", is_internal=True), by=consultant, side="mimecast")

    assert _found(consultant, "zebra") == {"Comments": ["Zebra budget"]}
    assert _found(owner, "zebra") == {}


def test_manager_as_client_finds_no_internal_note(
    tenant: Tenant, consultant: User, manager: User
) -> None:
    watched = User.objects.create_user("w@gangway.test", "pw", staff_role="consultant")
    manager.followed_consultants.add(watched)
    Membership.objects.create(tenant=tenant, user=manager, role="owner")
    task = task_of(tenant, "spf-update")
    add_comment(task, NewComment("Zebra budget", is_internal=True), by=consultant, side="mimecast")

    assert _found(manager, "zebra") == {}


def test_sheet_rows_need_the_current_tenant(tenant: Tenant, consultant: User) -> None:
    sheet = RequirementsSheet.objects.get(task__plan__tenant=tenant, kind="forwarding")
    entry = read_entry(
        definition_of(sheet), {"target": "bob@outside.test"}, services.validation_context_of(tenant)
    )
    services.add_row(sheet, entry, by=consultant)

    assert _found(consultant, "BOB@out", current_tenant=tenant) == {
        "Requirements sheet rows": ["bob@outside.test"]
    }
    assert _found(consultant, "BOB@out") == {}


@pytest.mark.slow
def test_more_results_are_announced(make_tenant: MakeTenant, consultant: User) -> None:
    for number in range(MAX_RESULTS + 1):
        make_tenant(f"Acme {number}", domains=((f"a{number}.test", "primary"),))

    (group,) = find(consultant, "acme")

    assert (len(group.results), group.has_more) == (MAX_RESULTS, True)


@pytest.mark.parametrize("text", ["mx", "lockdown", "acme", "acme spf", "zebra", "plan"])
def test_first_tenants_do_not_change_results(
    make_tenant: MakeTenant, consultant: User, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    made = [make_tenant(f"Acme {n}", domains=((f"a{n}.test", "primary"),)) for n in (3, 1, 2, 5, 4)]
    Tenant.objects.filter(name="Acme 1").update(closed_at="2026-11-01T00:00Z")
    note = NewComment("Zebra budget of the plan")
    add_comment(task_of(made[0], "spf-update"), note, by=consultant, side="mimecast")
    of_all = find(consultant, text, current_tenant=made[3])

    for number in (1, 2, 4):
        monkeypatch.setattr(search, "FIRST_TENANTS", number)
        assert find(consultant, text, current_tenant=made[3]) == of_all
    assert of_all


@pytest.mark.parametrize("text", ["", " ", "a", "%%", "__", "' OR 1=1 --", "\0\0"])
def test_empty_terms_find_nothing(tenant: Tenant, consultant: User, text: str) -> None:
    assert find(consultant, text) == []


@pytest.mark.parametrize("tenants", [1, 3])
def test_search_query_count_is_constant(
    make_tenant: MakeTenant,
    consultant: User,
    tenants: int,
    django_assert_num_queries: Callable[..., object],
) -> None:
    for number in range(tenants):
        make_tenant(f"Acme {number}", domains=((f"acme{number}.test", "primary"),))

    with django_assert_num_queries(9):  # type: ignore[attr-defined]
        find(consultant, "acme")


def test_single_match_redirects_to_tenant(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    response = signed_in(consultant).get(reverse("onboarding:search"), {"q": "northwind"})

    assert response["Location"] == reverse("onboarding:plan-show", args=[tenant.public_id])


def test_search_page_equals_fragment(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    client, query = signed_in(consultant), {"q": "ownership txt"}

    page = client.get(reverse("onboarding:search"), query).content.decode()
    fragment = client.get(
        reverse("onboarding:search"), query, headers={"HX-Request": "true"}
    ).content.decode()

    task = task_of(tenant, "domain-ownership")
    shown = [f"Steps {task.title} Northwind · {task.phase.title} · to do"]
    assert texts(page, "#found-steps") == texts(fragment, "#found-steps") == shown
    assert "<html" not in fragment


def test_search_without_results_lists_its_scope(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    page = signed_in(owner).get(reverse("onboarding:search"), {"q": "zebra"}).content.decode()

    assert texts(page, ".search-group")[0].startswith("No results for “zebra”.")
