"""Closing, plan templates, cutover preparation and schedule: results and refusals of the API.

`test_same_rows.py` compares the rows of the actions that one prepared plan offers.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from onboarding.lifecycle.residual_risks import accept_residual_risk
from onboarding.models import (
    AcceptedResidualRisk,
    CutoverSnapshot,
    DryRun,
    Freeze,
    Holiday,
    PlanTemplate,
    Reminder,
    Task,
    TemplateDraft,
    WorkingTime,
)
from onboarding.plan_templates import drafts
from onboarding.plan_templates.registry import newest_template
from tenants.models import Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.api.row_effects import effects_of
from tests.clock import frozen
from tests.closings import STATEMENT, decide_all, obligations_now, prepare_closing
from tests.cutovers import cutover_of
from tests.factories import SignIn
from tests.onboarding.plan_templates.drafts import publish_changed

DRAFT = "plan-templates/draft/"
MX = "@ MX 10 us-smtp-inbound-1.mimecast.com.\n"
SOURCE = {
    "key": "kb_training",
    "title": "Training",
    "url": "https://desk.example/training",
    "read_on": "2026-11-23",
}


@pytest.fixture
def base(tenant: Tenant) -> str:
    return f"tenants/{tenant.public_id}/"


@pytest.fixture
def page(consultant: User, signed_in: SignIn) -> Client:
    return signed_in(consultant)


@pytest.fixture
def wide(consultant: User) -> ApiClient:
    """A consultant's client with the widest scope."""
    return client_for(consultant, "administer")


@pytest.fixture
def draft(tenant: Tenant, consultant: User) -> TemplateDraft:
    newest = newest_template()
    assert newest is not None
    return drafts.create_draft(newest, by=consultant)


def address(name: str, *args: str) -> str:
    return reverse(f"onboarding:{name}", args=args)


def assert_equal_rows(page: Callable[[], Any], api: Callable[[], Any]) -> None:
    with frozen(timezone.now()):
        of_page, of_api = effects_of(page), effects_of(api)

    assert (of_page[0].status_code, of_api[0].status_code < 300) == (302, True)
    assert of_api[1] == of_page[1] != []


def errors_of(response: Any) -> tuple[int, dict[str, list[str]]]:
    return response.status_code, response.json()["errors"]


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
        lambda: api.post(f"tenants/{tenant.public_id}/closing/accepted-risks/", body),
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
        lambda: api.delete(f"{base}closing/accepted-risks/{accepted.public_id}/"),
    )


def test_changed_risk_is_a_conflict(api: ApiClient, tenant: Tenant, base: str) -> None:
    decide_all(tenant)
    risk = obligations_now(tenant).open_risks[0]
    body = {"kind": risk.kind.value, "subject": risk.subject, "sentence": "Small."}

    response = api.post(f"{base}closing/accepted-risks/", body | {"reason": "Known."})

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


# --- The draft of the plan template


def test_draft_is_that_of_the_page(page: Client, wide: ApiClient, tenant: Tenant) -> None:
    assert_equal_rows(
        lambda: page.post(address("template-draft-create")),
        lambda: wide.post(DRAFT),
    )


def test_second_draft_is_refused(wide: ApiClient, draft: TemplateDraft) -> None:
    response = wide.post(DRAFT)

    sentence = "There is already a draft. Continue with that one."
    assert errors_of(response) == (422, {"body": [sentence]})


def test_missing_draft_is_not_found(wide: ApiClient, tenant: Tenant) -> None:
    response = wide.get(DRAFT)

    sentence = "There is no draft. It may have been published or discarded."
    assert (response.status_code, response.json()["detail"]) == (404, sentence)


def test_source_is_that_of_the_page(page: Client, wide: ApiClient, draft: TemplateDraft) -> None:
    assert_equal_rows(
        lambda: page.post(address("template-source-add"), SOURCE),
        lambda: wide.post(f"{DRAFT}sources/", SOURCE),
    )


def test_changed_source_is_that_of_the_page(
    page: Client, wide: ApiClient, draft: TemplateDraft
) -> None:
    made = wide.post(f"{DRAFT}sources/", SOURCE)
    form = {**SOURCE, "title": "Training 2", "expected": made["ETag"].strip('"')}
    path = f"{DRAFT}sources/kb_training/"

    assert_equal_rows(
        lambda: page.post(address("template-source", "kb_training"), form),
        lambda: wide.patch(path, {"title": "Training 2"}, If_Match=made["ETag"]),
    )
    assert_equal_rows(
        lambda: page.post(address("template-source-remove", "kb_training")),
        lambda: wide.delete(path, If_Match=made["ETag"]),
    )


def test_removed_phase_is_that_of_the_page(
    page: Client, wide: ApiClient, draft: TemplateDraft
) -> None:
    made = wide.post(f"{DRAFT}phases/", {"title": "Review", "summary": "After a month."})
    key = made.json()["key"]

    assert_equal_rows(
        lambda: page.post(address("template-phase-remove", key)),
        lambda: wide.delete(f"{DRAFT}phases/{key}/", If_Match=made["ETag"]),
    )


def test_every_task_survives_a_change(wide: ApiClient, draft: TemplateDraft) -> None:
    """The values of the API and the form of the page lose no part of a task."""
    tasks = [task for phase in draft.content["phases"] for task in phase["tasks"]]
    wrong = {}

    for task in tasks:
        path = f"{DRAFT}tasks/{task['key']}/"
        response = wide.patch(path, {"title": f"{task['title']} 2"}, If_Match="*")
        if response.status_code != 200:
            wrong[task["key"]] = response.json()

    draft.refresh_from_db()
    changed = [task for phase in draft.content["phases"] for task in phase["tasks"]]
    assert wrong == {}
    assert [_meaning(task) for task in changed] == [
        _meaning({**task, "title": f"{task['title']} 2"}) for task in tasks
    ]


def _meaning(task: dict[str, Any]) -> dict[str, Any]:
    """The values of a task that differ from the default. A choice has no order."""
    sets = ("depends_on", "check", "supports", "domain_roles", "planned_cutovers")
    return {name: sorted(value) if name in sets else value for name, value in task.items() if value}


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"due_days": 5, "due_from": ""}, {"due_days": "Enter both the days and their start."}),
        (
            {"otherwise": "x"},
            {"otherwise": "The task always applies, so the reason is never shown."},
        ),
        ({"depends_on": ["nothing"]}, {"depends_on": None}),
        ({"phase": "nothing"}, {"phase": None}),
        ({"applies_when": {"colour": ["red"]}, "otherwise": "x"}, {"otherwise": None}),
        (
            {"applies_when": {"platform": ["vax"]}, "otherwise": "x"},
            {"applies_when.0.platform": None},
        ),
        ({"applies_when": {"any": "x"}}, {"applies_when": None}),
        ({"applies_when": {"platform": [{}]}}, {"applies_when": None}),
        ({"runbooks": [{"title": "x"}]}, {"runbooks": None}),
        ({"fields": [{"key": "a\u0000"}]}, {"fields": "The text contains a control character."}),
        ({"links": [{"title": "a\nb", "url": None}]}, {"links.0.title": None}),
        ({"colour": "red"}, {"colour": "Unknown field."}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_invalid_task_names_the_field(
    wide: ApiClient, draft: TemplateDraft, change: dict[str, Any], errors: dict[str, str | None]
) -> None:
    task = draft.content["phases"][0]["tasks"][0]

    status, found = errors_of(wide.patch(f"{DRAFT}tasks/{task['key']}/", change, If_Match="*"))

    draft.refresh_from_db()
    assert (status, list(found), draft.revision) == (422, list(errors), 0)
    assert all(sentence in (None, found[name][0]) for name, sentence in errors.items())


def test_outdated_task_returns_its_state(wide: ApiClient, draft: TemplateDraft) -> None:
    path = f"{DRAFT}tasks/{draft.content['phases'][0]['tasks'][0]['key']}/"
    before = wide.get(path)["ETag"]
    wide.patch(path, {"title": "One"}, If_Match=before)

    response = wide.patch(path, {"title": "Two"}, If_Match=before)

    assert (response.status_code, response.json()["current"]["title"]) == (412, "One")
    assert wide.patch(path, {"title": "Two"}).status_code == 428


def test_losses_need_an_administrator(
    wide: ApiClient, administrator: User, draft: TemplateDraft
) -> None:
    gate = next(
        task["key"]
        for phase in draft.content["phases"]
        for task in phase["tasks"]
        if task.get("gate")
    )
    wide.patch(f"{DRAFT}tasks/{gate}/", {"gate": False}, If_Match="*")
    lost = wide.get(f"{DRAFT}?expand=changes").json()["changes"]["lost"]
    body = {"note": "Fewer gates.", "accepts_losses": True}

    refused = wide.post(f"{DRAFT}publish/", body, If_Match="*")
    made = client_for(administrator, "administer").post(f"{DRAFT}publish/", body, If_Match="*")

    sentence = (
        "The draft drops safeguards or roles. An administrator must accept that and publish it."
    )
    assert (refused.status_code, refused.json()["detail"], len(lost)) == (422, sentence, 1)
    assert (made.status_code, PlanTemplate.objects.get(note="Fewer gates.").version) == (
        201,
        made.json()["version"],
    )


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


# --- Roles and scopes


WRITES = [
    ("PATCH", "working-time/"),
    ("POST", "holidays/"),
    ("POST", "freezes/"),
    ("POST", "original-schedule/"),
    ("POST", "tasks/"),
    ("POST", "plan/upgrade/"),
    ("PATCH", "region-values/"),
    ("POST", "closing/accepted-risks/"),
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


@pytest.mark.parametrize("path", [DRAFT, "freezes/", "mimecast-holidays/"])
def test_scope_write_may_not_administer(api: ApiClient, tenant: Tenant, path: str) -> None:
    response = api.post(path)

    assert (response.status_code, response.json()["code"]) == (403, "scope-too-narrow")
