"""The draft of the plan template: the API has the results and the sentences of the pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from onboarding.models import PlanTemplate, TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.registry import newest_template
from tenants.models import Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.api.row_effects import address, assert_equal_rows, errors_of
from tests.factories import SignIn

DRAFT = "plan-templates/draft/"
SOURCE = {
    "key": "kb_training",
    "title": "Training",
    "url": "https://desk.example/training",
    "read_on": "2026-11-23",
}


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
        if task.get("gate") == "hard"
    )
    wide.patch(f"{DRAFT}tasks/{gate}/", {"is_hard_gate": False}, If_Match="*")
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
