"""Writes through the API: services, sentences, ETags, idempotency keys and bulk requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.models import Check
from onboarding.models import Comment, Contact, Cutover, Task
from onboarding.plans.rows import TaskRow
from tenants.models import ActivityLine, Host, IdempotentRequest, Tenant, User
from tenants.rest import idempotency
from tests.api.clients import ApiClient, client_for
from tests.clock import frozen
from tests.factories import task_of

FIRST = "initial-conversation"


def path_of(task: Task, transition: str = "") -> str:
    base = f"tenants/{task.plan.tenant.public_id}/tasks/{task.public_id}/"
    return f"{base}transitions/{transition}/" if transition else base


@pytest.fixture
def task(tenant: Tenant) -> Task:
    return task_of(tenant, FIRST)


@pytest.fixture
def base(tenant: Tenant) -> str:
    return f"tenants/{tenant.public_id}/"


def etag(api: ApiClient, path: str) -> str:
    return str(api.get(path)["ETag"])


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# --- Transitions


def test_transition_changes_the_status(api: ApiClient, task: Task) -> None:
    response = api.post(path_of(task, "start"), If_Match=etag(api, path_of(task)))

    task.refresh_from_db()
    assert (response.json()["status"], task.status) == ("in_progress", "in_progress")


def test_refusal_has_the_sentence_of_the_page(api: ApiClient, task: Task, tenant: Tenant) -> None:
    offered = api.get(f"{path_of(task)}transitions/").json()
    resume = next(each for each in offered if each["key"] == "resume")

    response = api.post(path_of(task, "resume"), If_Match="*")

    assert (response.status_code, response.json()["detail"]) == (422, resume["why_not"])
    assert resume["why_not"] == "The status of this task is “To do”. It does not allow this."


def test_wrong_side_is_forbidden(tenant: Tenant, owner: User) -> None:
    task = Task.objects.filter(plan__tenant=tenant, responsibility="mimecast", is_group=False)[0]

    response = client_for(owner).post(path_of(task, "start"), If_Match="*")

    assert (response.status_code, response.json()["detail"]) == (
        403,
        "Mimecast is responsible for this task.",
    )


def test_reason_is_required_as_on_the_page(api: ApiClient, task: Task) -> None:
    response = api.post(path_of(task, "block"), {"reason": ""}, If_Match="*")

    assert response.json()["errors"] == {"reason": ["Enter a reason. Others read it later."]}


@pytest.mark.parametrize(
    ("key", "body", "column", "value"),
    [
        ("set-due-date", {"due_on": "2026-12-24"}, "due_on", "2026-12-24"),
        ("wait", {"reason": "Their MX."}, "status_reason", "Their MX."),
        ("accept-risk", {"reason": "Small.", "until": "2026-12-31"}, "status", "accepted_risk"),
        ("assign", {"assignee": ""}, "assignee", "None"),
    ],
)
def test_transitions_store_their_values(
    api: ApiClient, task: Task, key: str, body: dict[str, str], column: str, value: str
) -> None:
    response = api.post(path_of(task, key), body, If_Match="*")

    task.refresh_from_db()
    assert (response.status_code, str(getattr(task, column))) == (200, value)


def test_undo_restores_the_status(api: ApiClient, task: Task) -> None:
    api.post(path_of(task, "start"), If_Match="*")
    api.post(path_of(task, "undo"), If_Match="*")

    task.refresh_from_db()
    assert task.status == "todo"


def test_values_of_other_transitions_are_refused(api: ApiClient, task: Task) -> None:
    response = api.post(path_of(task, "start"), {"reason": "x"}, If_Match="*")

    assert response.json()["errors"] == {"reason": ["The transition start has no such value."]}


def test_unknown_transition_does_not_exist(api: ApiClient, task: Task) -> None:
    assert code_of(api.post(path_of(task, "explode"), If_Match="*")) == (404, "not-found")


def test_every_refusal_is_that_of_the_row(
    api: ApiClient, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of transitions asks the row of the page, and computes nothing itself."""
    monkeypatch.setattr(TaskRow, "why_not", lambda row, transition: f"No {transition.key}.")

    offered = api.get(f"{path_of(task)}transitions/").json()

    assert {each["why_not"] for each in offered} == {f"No {each['key']}." for each in offered}


def test_fields_are_read_by_the_form_of_the_page(api: ApiClient, tenant: Tenant) -> None:
    task = next(
        each
        for each in Task.objects.filter(plan__tenant=tenant, applies=True)
        if any(data["type"] == "date" for data in each.fields)
    )
    name = next(data["key"] for data in task.fields if data["type"] == "date")
    path = f"{path_of(task)}fields/"

    saved = api.patch(path, {"values": {name: "2026-12-24"}}, If_Match=etag(api, path))
    wrong = api.patch(path, {"values": {name: "soon", "x": "1"}}, If_Match=saved["ETag"])

    task.refresh_from_db()
    assert (saved.status_code, task.field_values[name]["value"]) == (200, "2026-12-24")
    assert wrong.json()["errors"] == {"x": ["Unknown field."]}


# --- ETags


def test_change_without_if_match_is_refused(api: ApiClient, task: Task) -> None:
    assert code_of(api.post(path_of(task, "start"))) == (428, "precondition-required")


def test_outdated_etag_returns_the_present_state(api: ApiClient, task: Task) -> None:
    before = etag(api, path_of(task))
    api.post(path_of(task, "start"), If_Match=before)

    response = api.post(path_of(task, "block"), {"reason": "x"}, If_Match=before)

    assert code_of(response) == (412, "outdated")
    assert response.json()["current"]["status"] == "in_progress"
    assert response["ETag"] == etag(api, path_of(task))


def test_exempting_a_domain_changes_the_etag(api: ApiClient, base: str, tenant: Tenant) -> None:
    api.post(f"{base}domains/", {"name": "second.test", "role": "secondary"})
    task = Task.objects.filter(plan__tenant=tenant, is_per_domain=True, applies=True)[0]
    before = etag(api, path_of(task))
    body = {"domain": tenant.domains.all()[1].public_id, "reason": "Parked."}

    response = api.post(path_of(task, "exempt-domain"), body, If_Match=before)

    assert (response.status_code, response["ETag"] != before) == (200, True)


# --- Idempotency keys


def test_repeated_key_returns_the_first_response(api: ApiClient, base: str) -> None:
    body = {"role": "dns", "name": "D. N. Essen", "email": "dns@northwind.test"}
    first, again = (api.post(f"{base}contacts/", body, Idempotency_Key="k") for _ in range(2))

    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert (again["Idempotency-Replayed"], again["ETag"]) == ("true", first["ETag"])
    assert Contact.objects.count() == 1


def test_key_for_another_body_is_a_conflict(api: ApiClient, task: Task) -> None:
    path = f"{path_of(task)}comments/"
    api.post(path, {"body": "One."}, Idempotency_Key="k")

    response = api.post(path, {"body": "Two."}, Idempotency_Key="k")

    assert code_of(response) == (409, "idempotency-key-reused")
    assert Comment.objects.count() == 1


def test_refusal_is_the_first_response_too(api: ApiClient, task: Task) -> None:
    path = path_of(task, "resume")
    first = api.post(path, If_Match="*", Idempotency_Key="k")
    api.post(path_of(task, "start"), If_Match="*")

    again = api.post(path, If_Match="*", Idempotency_Key="k")

    assert (again.status_code, again.json()) == (422, first.json())


def test_key_expires_after_a_day(api: ApiClient, task: Task) -> None:
    path = f"{path_of(task)}comments/"
    api.post(path, {"body": "One."}, Idempotency_Key="k")
    IdempotentRequest.objects.update(created_at=timezone.now() - idempotency.LIFETIME)

    api.post(path, {"body": "One."}, Idempotency_Key="k")

    assert Comment.objects.count() == 2


def test_key_belongs_to_its_person(api: ApiClient, task: Task, administrator: User) -> None:
    path = f"{path_of(task)}comments/"
    api.post(path, {"body": "One."}, Idempotency_Key="k")
    client_for(administrator).post(path, {"body": "One."}, Idempotency_Key="k")

    assert Comment.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_crash_before_the_response_stores_both_or_neither(
    api: ApiClient, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between the write and the commit: neither the comment nor the key exists."""
    path = f"{path_of(task)}comments/"

    def die(*args: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "store", die)
        died = api.post(path, {"body": "One."}, Idempotency_Key="k")
    left = Comment.objects.count(), IdempotentRequest.objects.count()
    repeated = api.post(path, {"body": "One."}, Idempotency_Key="k")

    assert (died.status_code, left) == (500, (0, 0))
    assert (repeated.status_code, Comment.objects.count()) == (201, 1)


def test_expired_responses_are_deleted(api: ApiClient, task: Task) -> None:
    api.post(f"{path_of(task)}comments/", {"body": "One."}, Idempotency_Key="k")
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(days=2))

    assert (idempotency.delete_expired(), IdempotentRequest.objects.count()) == (1, 0)


# --- Bulk


def test_bulk_has_one_result_for_each_item(api: ApiClient, task: Task, base: str) -> None:
    item = {"task": task.public_id, "transition": "start", "if_match": "*"}
    body = {"items": [item, item, {**item, "task": "unknown"}]}

    results = api.post(f"{base}tasks/transitions/", body).json()["results"]

    assert [each["status"] for each in results] == [200, 422, 404]
    assert results[0]["result"]["status"] == "in_progress"


# --- Profile, domains, hosts


def test_domain_is_added_with_its_checks(api: ApiClient, base: str, tenant: Tenant) -> None:
    response = api.post(f"{base}domains/", {"name": "Second.TEST", "role": "secondary"})

    assert (response.status_code, response.json()["name"]) == (201, "second.test")
    assert Check.objects.filter(tenant=tenant, domain__name="second.test").exists()


def test_duplicate_domain_has_the_sentence_of_the_form(api: ApiClient, base: str) -> None:
    response = api.post(f"{base}domains/", {"name": "northwind.test", "role": "secondary"})

    assert response.json()["errors"] == {
        "domains.0.name": ["northwind.test is in this list already."]
    }


def test_second_primary_domain_is_refused(api: ApiClient, base: str) -> None:
    response = api.post(f"{base}domains/", {"name": "second.test", "role": "primary"})

    sentence = "A tenant has one primary domain. Choose another role for this one."
    assert response.json()["errors"] == {"domains.0.role": [sentence]}


def test_domain_change_leaves_other_values(api: ApiClient, base: str, tenant: Tenant) -> None:
    domain = tenant.domains.get()
    path = f"{base}domains/{domain.public_id}/"

    response = api.patch(path, {"dkim_selectors": "mimecast"}, If_Match=etag(api, path))

    assert response.json()["ownership_token"] == domain.ownership_token
    assert response.json()["dkim_selectors"] == "mimecast"


def test_last_domain_cannot_be_removed(api: ApiClient, base: str, tenant: Tenant) -> None:
    response = api.delete(f"{base}domains/{tenant.domains.get().public_id}/", If_Match="*")

    assert response.json()["errors"] == {"domains": ["Enter at least one domain."]}


def test_host_consent_is_recorded(api: ApiClient, base: str, consultant: User) -> None:
    body = {"purpose": "delivery", "name": "mail.northwind.test", "port": 25, "consent": True}
    created = api.post(f"{base}hosts/", body).json()

    path = f"{base}hosts/{created['id']}/"
    withdrawn = api.patch(path, {"consent": False}, If_Match=etag(api, path)).json()

    assert (created["consented_at"] is not None, withdrawn["consented_at"]) == (True, None)


def test_host_is_removed(api: ApiClient, base: str) -> None:
    body = {"purpose": "delivery", "name": "mail.northwind.test", "port": 25}
    created = api.post(f"{base}hosts/", body).json()

    response = api.delete(f"{base}hosts/{created['id']}/", If_Match="*")

    assert (response.status_code, Host.objects.count()) == (204, 0)


def test_profile_change_is_logged(api: ApiClient, base: str, tenant: Tenant) -> None:
    path = f"{base}profile/"

    response = api.patch(path, {"journaling": True}, If_Match=etag(api, path))

    line = ActivityLine.objects.filter(tenant=tenant)[0]
    assert (response.json()["journaling"], line.params["changes"]) == (
        True,
        {"journaling": ["False", "True"]},
    )


def test_tenant_is_created_with_its_plan(api: ApiClient, tenant: Tenant) -> None:
    body = {
        "name": "Tailspin",
        "region": "us",
        "platform": "microsoft_365",
        "directory_method": "entra_id",
        "domains": [{"name": "tailspin.test", "role": "primary"}],
    }

    response = api.post("tenants/", body)

    made = Tenant.objects.get(name="Tailspin")
    assert (response.status_code, response.json()["id"]) == (201, made.public_id)
    assert made.plan.tasks_total > 30


def test_taken_name_has_the_sentence_of_the_form(api: ApiClient, tenant: Tenant) -> None:
    body = {
        "name": tenant.name,
        "region": "us",
        "platform": "microsoft_365",
        "directory_method": "entra_id",
        "domains": [{"name": "not a domain", "role": "primary"}],
    }

    errors = api.post("tenants/", body).json()["errors"]

    assert errors["name"] == ["A tenant with this name exists already. See the list of tenants."]
    assert "domains.0.name" in errors


# --- Cutovers, checks


def test_cutover_is_planned_moved_and_cancelled(api: ApiClient, base: str, tenant: Tenant) -> None:
    starts = (timezone.now() + timedelta(days=40)).replace(
        hour=9, minute=0, second=0, microsecond=0
    )
    body = {
        "direction": "inbound",
        "planned_at": starts.isoformat(),
        "domains": [tenant.domains.get().public_id],
        "reason": "Agreed.",
    }
    made = api.post(f"{base}cutovers/", body)
    path = f"{base}cutovers/{made.json()['id']}/"
    later = (starts + timedelta(days=1)).isoformat()
    moved = api.patch(path, {"planned_at": later, "reason": "Later."}, If_Match=made["ETag"])
    cancelled = api.delete(path, If_Match=moved["ETag"])

    assert (made.status_code, moved.status_code, cancelled.status_code) == (201, 200, 204)
    assert moved.json()["round"] == made.json()["round"] + 1
    assert Cutover.objects.count() == 0


def test_past_window_has_the_sentence_of_the_form(
    api: ApiClient, base: str, tenant: Tenant
) -> None:
    body = {
        "direction": "outbound",
        "planned_at": "2020-01-01T09:00:00Z",
        "domains": [tenant.domains.get().public_id],
    }

    errors = api.post(f"{base}cutovers/", body).json()["errors"]

    assert list(errors) == ["planned_at"]


def test_requested_run_is_logged(api: ApiClient, base: str, tenant: Tenant) -> None:
    check = Check.objects.filter(tenant=tenant, kind="mx").get()

    response = api.post(f"{base}checks/{check.public_id}/run/")

    line = ActivityLine.objects.filter(tenant=tenant)[0]
    assert (response.status_code, response.json()) == (202, {"requested": 1})
    assert (line.name, line.params["subject"]) == ("check-requested", "MX, northwind.test")


@pytest.mark.slow
def test_runs_share_the_limit_of_the_pages(api: ApiClient, base: str) -> None:
    # On a busy machine, the requests could take more than the minute of the limit.
    with frozen(timezone.now()):
        answers = {api.post(f"{base}checks/run/").status_code for _ in range(61)}

    assert answers == {202, 429}
