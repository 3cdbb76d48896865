"""Closing, plan templates, cutover preparation and schedule: results and refusals of the API.

`test_same_rows.py` compares the rows of the actions that one prepared plan offers.
"""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from onboarding.lifecycle.residual_risks import accept_residual_risk
from onboarding.models import (
    AcceptedResidualRisk,
    CutoverSnapshot,
    DryRun,
    Freeze,
    Holiday,
    Reminder,
    Task,
    WorkingTime,
)
from tenants.models import Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.api.row_effects import address, assert_equal_rows, errors_of
from tests.clock import frozen
from tests.closings import STATEMENT, decide_all, obligations_now, prepare_closing
from tests.cutovers import cutover_of
from tests.factories import SignIn
from tests.onboarding.plan_templates.drafts import publish_changed

MX = "@ MX 10 us-smtp-inbound-1.mimecast.com.\n"


@pytest.fixture
def base(tenant: Tenant) -> str:
    return f"tenants/{tenant.public_id}/"


@pytest.fixture
def page(consultant: User, signed_in: SignIn) -> Client:
    return signed_in(consultant)


def text_of(response: Any) -> str:
    return " ".join(html.unescape(response.content.decode()).split())


# --- Closing


def test_accepted_risk_is_that_of_the_page(page: Client, api: ApiClient, tenant: Tenant) -> None:
    decide_all(tenant)
    risk = obligations_now(tenant).open_risks[0]
    body = {"kind": risk.kind.value, "subject": risk.subject, "sentence": risk.sentence}
    body["reason"] = "The client knows it."

    assert_equal_rows(
        lambda: page.post(address("residual-risk-accept", tenant.public_id), body),
        lambda: api.post(f"tenants/{tenant.public_id}/closing/accepted-residual-risks/", body),
    )


def test_withdrawn_risk_is_that_of_the_page(
    page: Client, api: ApiClient, tenant: Tenant, base: str, consultant: User
) -> None:
    decide_all(tenant)
    risk = obligations_now(tenant).open_risks[0]
    accepted = accept_residual_risk(
        tenant,
        risk.kind.value,
        risk.subject,
        expected=risk.sentence,
        reason="Known.",
        by=consultant,
    )

    withdraw = address("residual-risk-withdraw", tenant.public_id, accepted.public_id)
    assert_equal_rows(
        lambda: page.post(withdraw),
        lambda: api.delete(f"{base}closing/accepted-residual-risks/{accepted.public_id}/"),
    )


def test_changed_risk_is_a_conflict(api: ApiClient, tenant: Tenant, base: str) -> None:
    decide_all(tenant)
    risk = obligations_now(tenant).open_risks[0]
    body = {"kind": risk.kind.value, "subject": risk.subject, "sentence": "Small."}

    response = api.post(f"{base}closing/accepted-residual-risks/", body | {"reason": "Known."})

    sentence = "The risk has changed. Read it again. Nothing was accepted."
    assert (response.status_code, response.json()["detail"]) == (409, sentence)
    assert AcceptedResidualRisk.objects.count() == 0


@pytest.mark.parametrize("is_second", [False, True])
def test_sign_off_is_that_of_the_page(
    page: Client,
    api: ApiClient,
    tenant: Tenant,
    base: str,
    consultant: User,
    owner: User,
    is_second: bool,
) -> None:
    """The second signature closes the tenant."""
    prepare_closing(tenant, consultant)
    if is_second:
        client_for(owner).post(f"{base}closing/sign-off/", {"reason": STATEMENT})

    assert_equal_rows(
        lambda: page.post(address("sign-off", tenant.public_id), {"reason": STATEMENT}),
        lambda: api.post(f"{base}closing/sign-off/", {"reason": STATEMENT}),
    )


def test_early_sign_off_has_the_sentence_of_the_page(
    page: Client, api: ApiClient, tenant: Tenant, base: str
) -> None:
    shown = text_of(page.post(address("sign-off", tenant.public_id), {"reason": STATEMENT}))

    response = api.post(f"{base}closing/sign-off/", {"reason": STATEMENT})

    now = api.get(f"{base}closing/").json()
    assert (response.status_code, response.json()["detail"]) == (422, now["refusal"])
    assert now["refusal"] in shown


# --- Upgrade of the plan


def test_upgrade_shows_its_changes(api: ApiClient, tenant: Tenant, base: str) -> None:
    made = publish_changed(lambda content: content["phases"][0].update(title="Begin"))
    preview = api.get(f"{base}plan/upgrade/")

    done = api.post(f"{base}plan/upgrade/", {"version": made.version}, If_Match=preview["ETag"])
    again = api.post(f"{base}plan/upgrade/", {"version": made.version}, If_Match=preview["ETag"])

    assert preview.json()["target"] == made.version
    assert preview.json()["changes"]["phases"][0].endswith("is renamed “Begin”.")
    assert (done.json()["version"], again.status_code) == (made.version, 412)


# --- Preparation of a cutover


@pytest.fixture
def cutover(tenant: Tenant) -> Any:
    return cutover_of(tenant, "inbound", timezone.now() + timedelta(days=9))


def test_dry_run_is_that_of_the_page(
    page: Client, api: ApiClient, tenant: Tenant, base: str, cutover: Any
) -> None:
    form = {"records": MX, "comment": "Fine."}
    url = address("dry-run-create", tenant.public_id, cutover.public_id)

    assert_equal_rows(
        lambda: page.post(url, {**form, "save": "yes"}),
        lambda: api.post(f"{base}cutovers/{cutover.public_id}/dry-runs/", form),
    )


def test_dry_run_without_storing(api: ApiClient, base: str, cutover: Any) -> None:
    found = api.post(f"{base}cutovers/{cutover.public_id}/dry-runs/try/", {"records": MX}).json()

    assert (found["domains"], DryRun.objects.count()) == (["northwind.test"], 0)
    assert "mx" in {each["kind"] for each in found["findings"]}


@pytest.mark.parametrize("action", ["dry-runs/", "dry-runs/try/", "preflight/"])
def test_records_are_read_as_on_the_page(
    page: Client, api: ApiClient, tenant: Tenant, base: str, cutover: Any, action: str
) -> None:
    name = "preflight" if action == "preflight/" else "dry-run-create"
    form = {"records": "@ A 192.0.2.1\n"}
    form |= {"domain": tenant.domains.get().public_id} if name == "preflight" else {}
    shown = text_of(page.post(address(name, tenant.public_id, cutover.public_id), form))

    status, errors = errors_of(api.post(f"{base}cutovers/{cutover.public_id}/{action}", form))

    assert (status, list(errors)) == (422, ["records"])
    assert errors["records"][0] in shown


def test_preflight_has_the_rows_of_the_page(
    page: Client, api: ApiClient, tenant: Tenant, base: str, cutover: Any
) -> None:
    form = {"records": MX, "domain": tenant.domains.get().public_id}
    shown = page.post(address("preflight", tenant.public_id, cutover.public_id), form)

    found = api.post(f"{base}cutovers/{cutover.public_id}/preflight/", form).json()

    assert [(row["label"], row["verdict"]) for row in found["rows"]] == [
        (row.label, row.verdict.value) for row in shown.context["results"]
    ]


def test_preflights_share_the_limit_of_the_page(
    page: Client, api: ApiClient, tenant: Tenant, base: str, cutover: Any
) -> None:
    url = address("preflight", tenant.public_id, cutover.public_id)
    with frozen(timezone.now()):
        answers = [page.post(url).status_code for _ in range(30)]
        response = api.post(f"{base}cutovers/{cutover.public_id}/preflight/", {})

    assert (set(answers), response.status_code) == ({200}, 429)
    assert response.json()["detail"] == "Gangway accepts 30 such requests in a minute."


def test_snapshot_of_open_window_is_refused(api: ApiClient, tenant: Tenant, base: str) -> None:
    cutover = cutover_of(tenant, "inbound", timezone.now())

    response = api.post(f"{base}cutovers/{cutover.public_id}/snapshots/")

    sentence = "The window has opened. A rollback restores the records published at that time."
    assert errors_of(response) == (422, {"body": [sentence]})
    assert CutoverSnapshot.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"person": "user-x"}, {"person": ["Choose a person from the list."]}),
        ({"person": "{outsider}"}, {"person": ["Choose a person from the list."]}),
        ({"person": "{owner}"}, {"phone": ["Enter the phone number for the window."]}),
    ],
)
def test_person_on_call_is_read_by_the_form(
    api: ApiClient,
    base: str,
    cutover: Any,
    owner: User,
    outsider: User,
    body: dict[str, str],
    errors: dict[str, list[str]],
) -> None:
    people = {"{owner}": f"user-{owner.public_id}", "{outsider}": f"user-{outsider.public_id}"}
    body = {"person": people.get(body["person"], body["person"])}

    response = api.post(f"{base}cutovers/{cutover.public_id}/on-call/", body)

    assert errors_of(response) == (422, errors)


# --- Schedule and tasks


@pytest.mark.parametrize(
    ("path", "body", "errors"),
    [
        (
            "holidays/",
            {"day": "soon", "name": "x"},
            {"day": ["Enter a day, such as 2026-12-31."]},
        ),
        (
            "freezes/",
            {"first_day": "2027-01-02", "last_day": "2027-01-01", "reason": "x"},
            {"last_day": ["Choose a last day on or after the first day."]},
        ),
        (
            "tasks/",
            {"title": "x", "phase": "nothing", "responsibility": "client"},
            {"phase": ["Select a valid choice. nothing is not one of the available choices."]},
        ),
        (
            "original-schedule/",
            {},
            {"body": ["No task has a due date yet. Plan the cutovers first."]},
        ),
    ],
)
def test_refusals_have_the_sentences_of_the_forms(
    api: ApiClient, tenant: Tenant, base: str, path: str, body: Any, errors: Any
) -> None:
    Task.objects.filter(plan__tenant=tenant).update(due_on=None)

    assert errors_of(api.post(f"{base}{path}", body)) == (422, errors)
    assert (Holiday.objects.filter(tenant=tenant).count(), Freeze.objects.count()) == (0, 0)


def test_working_time_is_read_by_the_form(api: ApiClient, base: str) -> None:
    path = f"{base}working-time/"
    before = api.get(path)
    wrong = api.patch(path, {"closes": "08:00"}, If_Match=before["ETag"])
    empty = api.patch(path, {"weekdays": []}, If_Match=before["ETag"])

    made = api.patch(path, {"weekdays": [0, 6]}, If_Match=before["ETag"])

    assert errors_of(wrong)[1] == {"closes": ["The end of the day must be after its start."]}
    assert errors_of(empty)[1] == {
        "weekdays": ["Choose at least one day. The working days were not changed."]
    }
    assert (made.json()["weekdays"], WorkingTime.objects.get().weekdays) == ([0, 6], "06")
    assert api.patch(path, {}, If_Match=before["ETag"]).status_code == 412


def test_second_holiday_of_a_day_is_refused(api: ApiClient, base: str) -> None:
    body = {"day": "2026-12-28", "name": "Boxing Day"}
    first = api.post(f"{base}holidays/", body)

    status, errors = errors_of(api.post(f"{base}holidays/", body))

    assert (first.status_code, status) == (201, 422)
    assert errors == {"day": ["This day is already a holiday."]}


def test_template_task_is_no_custom_task(api: ApiClient, tenant: Tenant, base: str) -> None:
    task = Task.objects.filter(plan__tenant=tenant)[0]
    path, sentence = f"{base}tasks/{task.public_id}/", "This task comes from the plan template."

    answers = [api.patch(path, {"title": "x"}, If_Match="*"), api.delete(path, If_Match="*")]

    assert [each.status_code for each in answers] == [422, 422]
    assert {each.json()["detail"] for each in answers} == {f"{sentence} Change it in the template."}


def test_second_reminder_of_a_day_is_refused(
    api: ApiClient, tenant: Tenant, base: str, owner: User
) -> None:
    task = Task.objects.filter(plan__tenant=tenant, waiting_on="client")[0]
    path = f"{base}tasks/{task.public_id}/remind/"
    first = api.post(path)

    response = api.post(path)

    sentence = "They had a reminder within the last day. No second one was sent."
    assert first.json()["recipients"] == [{"id": owner.public_id, "name": owner.name}]
    assert (errors_of(response), Reminder.objects.count()) == ((422, {"body": [sentence]}), 1)


def test_region_values_are_read_by_the_form(api: ApiClient, tenant: Tenant, base: str) -> None:
    path = f"{base}region-values/"
    before = api.get(path)

    wrong = api.patch(path, {"spf_ip4": ["x"]}, If_Match=before["ETag"])
    made = api.patch(path, {"mx": ["A.mimecast.test"]}, If_Match=before["ETag"])

    tenant.refresh_from_db()
    assert list(errors_of(wrong)[1]) == ["spf_ip4"]
    assert (made.json()["mx"], tenant.region_overrides) == (
        ["A.mimecast.test"],
        {"mx": ["A.mimecast.test"]},
    )


def test_values_of_another_region_need_decision(api: ApiClient, tenant: Tenant, base: str) -> None:
    path = f"{base}region-values/"
    aside = {"mx": ["a.mimecast.test"], "api_host": "a.mimecast.test", "spf_include": "a.test"}
    Tenant.objects.filter(pk=tenant.pk).update(region_overrides={"unconfirmed": aside})
    before = api.get(path)

    made = api.patch(path, {"mx": ["b.mimecast.test"], "api_host": ""}, If_Match=before["ETag"])

    tenant.refresh_from_db()
    assert (before.json()["mx"], before.json()["unconfirmed"]) == ([], aside)
    assert made.json()["unconfirmed"] == {"spf_include": "a.test"}
    assert tenant.region_overrides == {
        "mx": ["b.mimecast.test"],
        "unconfirmed": {"spf_include": "a.test"},
    }


# --- Roles and scopes


WRITES = [
    ("PATCH", "working-time/"),
    ("POST", "holidays/"),
    ("POST", "freezes/"),
    ("POST", "original-schedule/"),
    ("POST", "tasks/"),
    ("POST", "plan/upgrade/"),
    ("PATCH", "region-values/"),
    ("POST", "closing/accepted-residual-risks/"),
]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_clients_may_not_manage_the_plan(
    base: str, owner: User, viewer: User, outsider: User, method: str, path: str
) -> None:
    answers = [
        client_for(person).send(method, f"{base}{path}", {}, If_Match="*").status_code
        for person in (owner, viewer, outsider)
    ]

    assert answers == [403, 403, 404]


@pytest.mark.parametrize("path", ["closing/sign-off/", "tasks/{task}/remind/"])
def test_viewer_may_not_act(base: str, tenant: Tenant, viewer: User, path: str) -> None:
    task = Task.objects.filter(plan__tenant=tenant)[0].public_id

    response = client_for(viewer).post(f"{base}{path.format(task=task)}")

    assert (response.status_code, response.json()["code"]) == (403, "not-permitted")


@pytest.mark.parametrize("path", ["plan-templates/draft/", "freezes/", "mimecast-holidays/"])
def test_scope_write_may_not_administer(api: ApiClient, tenant: Tenant, path: str) -> None:
    response = api.post(path)

    assert (response.status_code, response.json()["code"]) == (403, "scope-too-narrow")
