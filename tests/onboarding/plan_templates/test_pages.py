"""Tests of the pages of versions, the draft, its preview and publication, and the upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.forms import BoundField
from django.test import Client
from django.urls import reverse

from onboarding.models import Plan, PlanTemplate, Task, TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.content import Content, as_content
from onboarding.plan_templates.diff import diff
from onboarding.plan_templates.draft_content import draft_tasks, find
from onboarding.plan_templates.forms import AlternativeForm
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.plan_templates.template_version import load_template_file
from tenants.models import Tenant, User
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.plan_templates.drafts import draft_task, publish_changed

NEWEST = load_template_file()
ENTRIES = [found.entry for found in draft_tasks(as_content(NEWEST))]


def _at(name: str, *args: str) -> str:
    return reverse(f"onboarding:{name}", args=args)


@pytest.fixture
def draft(tenant: Tenant, consultant: User) -> TemplateDraft:
    newest = newest_template()
    assert newest is not None
    return drafts.create_draft(newest, by=consultant)


def _stored_entry(key: str) -> Content:
    found = find(TemplateDraft.objects.get().content, key)
    assert found is not None, key
    return found.entry


def _as_a_browser_sends(page: Any) -> dict[str, list[str]]:
    """The data that the unchanged form sends."""
    forms = (page.form, *page.applies.forms, *page.required.forms)
    sent = {field.html_name: list(_sent(field)) for form in forms for field in form}
    return {name: values for name, values in sent.items() if values}


def _sent(field: BoundField) -> Iterator[str]:
    value = field.value()
    if isinstance(value, list):
        # Browsers send checkboxes in the order of the page.
        ticked = set(map(str, value))
        boxes = (box.data["value"] for box in field.subwidgets)
        yield from (str(box) for box in boxes if str(box) in ticked)
    elif value is True:
        yield "on"
    elif value is not None and value is not False and value != "":
        yield str(value).replace("\n", "\r\n")


# --- Tasks


# CI tests the form of every eighth task, and the nightly tests that of every task.
_SAMPLED = [
    pytest.param(entry, marks=() if number % 8 == 0 else pytest.mark.nightly, id=entry["key"])
    for number, entry in enumerate(ENTRIES)
]


@pytest.mark.slow
@pytest.mark.parametrize("entry", _SAMPLED)
def test_unchanged_form_changes_no_task(
    entry: Content, draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    client, place = signed_in(consultant), _at("template-task", entry["key"])

    answer = client.post(place, _as_a_browser_sends(client.get(place).context["page"]))

    assert answer.status_code == 302, answer.context["form"].errors
    assert set(_stored_entry(entry["key"])) == set(entry)
    after = drafts.version_of_draft(TemplateDraft.objects.get())
    assert diff(template_version_of(draft.base), after).is_empty


def _typed(**changes: Any) -> dict[str, Any]:
    typed = {
        "title": "Fax server",
        "phase": "closure",
        "responsibility": "client",
        "stated": "on",
        "do": "Point it at Mimecast.",
        "shown_by": "A fax arrives.",
        "links": "How | https://example.com/fax\nA book",
    }
    return {**typed, **changes}


def test_task_is_added_with_all_fields(
    draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    typed = _typed(
        **{
            "depends_on": ["training"],
            "gate": "on",
            "due_days": "-2",
            "due_from": "inbound",
            "applies-0-platform": ["hybrid"],
            "applies-1-journaling": "yes",
            "otherwise": "It is {platform}.",
        }
    )

    answer = signed_in(consultant).post(_at("template-task-add"), typed)

    assert answer["Location"] == _at("template-draft") + "#fax-server"
    assert _stored_entry("fax-server") == {
        "key": "fax-server",
        "title": "Fax server",
        "responsibility": "client",
        "stated": True,
        "do": "Point it at Mimecast.",
        "shown_by": "A fax arrives.",
        "links": [
            {"title": "How", "url": "https://example.com/fax"},
            {"title": "A book", "url": None},
        ],
        "depends_on": ["training"],
        "gate": "hard",
        "due": {"from": "inbound", "working_days": -2},
        "applies_when": {"any": [{"platform": ["hybrid"]}, {"journaling": [True]}]},
        "otherwise": "It is {platform}.",
    }


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"title": ""}, "title", "Enter a name."),
        ({"per_domain": "on"}, "domain_roles", "Choose the roles of the domains"),
        ({"due_days": "3"}, "due_days", "Enter both the days and their start"),
        ({"links": "x | http://a.test"}, "links", "is not a title, | and an https address."),
        ({"applies-0-platform": ["hybrid"]}, "otherwise", "Enter the reason that a plan shows"),
        ({"otherwise": "No."}, "otherwise", "The task always applies"),
        (
            {"applies-0-platform": ["hybrid"], "otherwise": "It is {region}."},
            "otherwise",
            "“otherwise” cannot fill in {region}.",
        ),
        ({"required-0-dkim_in_use": "yes"}, "optional", "Only an optional task"),
        ({"parent": "training"}, "parent", "no task above it in this phase has that key"),
        ({"wait_after": "connectivity"}, "wait_after", "“Connectivity” is a group or a wait"),
    ],
)
def test_error_is_shown_at_its_field(
    draft: TemplateDraft,
    consultant: User,
    signed_in: SignIn,
    changes: dict[str, Any],
    field: str,
    expected: str,
) -> None:
    answer = signed_in(consultant).post(_at("template-task-add"), _typed(**changes))

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert expected in answer.context["form"].errors[field][0]
    assert "Point it at Mimecast." in answer.content.decode()
    assert TemplateDraft.objects.get().revision == 0


def test_cycle_is_shown_at_dependencies(
    draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    client, place = signed_in(consultant), _at("template-task", "account-creation")
    typed = _as_a_browser_sends(client.get(place).context["page"])
    typed["depends_on"] = ["domain-ownership"]

    answer = client.post(place, typed)

    assert "in a cycle: “Account Creation”" in answer.context["form"].errors["depends_on"][0]


@pytest.mark.slow
def test_conflict_keeps_typed_values(
    draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    client, place = signed_in(consultant), _at("template-task", "training")
    typed = _as_a_browser_sends(client.get(place).context["page"])
    typed["title"] = ["First"]
    client.post(place, typed)
    typed["title"] = ["Second"]

    late = client.post(place, typed)
    again = _as_a_browser_sends(late.context["page"])
    answer = client.post(place, again)

    assert (late.status_code, again["title"]) == (422, ["Second"])
    assert "Another person has changed this" in str(late.context["form"].non_field_errors())
    assert (answer.status_code, _stored_entry("training")["title"]) == (302, "Second")


@pytest.mark.slow
def test_tasks_are_moved_and_removed(
    draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    client.post(_at("template-task-move", "web-security"), {"direction": "up"})
    client.post(_at("template-task-remove", "cybergraph"))
    refused = client.post(_at("template-task-remove", "case-closure"), follow=True)

    shown = texts(client.get(_at("template-draft")).content.decode(), "#add-on-packages")[0]
    assert shown.index("Web Security") < shown.index("Mimecast Awareness Training")
    assert "CyberGraph" not in shown
    assert "The closing task cannot be removed" in refused.content.decode()


def test_phase_is_added_edited_and_moved(
    draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    client.post(_at("template-phase-add"), {"title": "Fax", "summary": "All of it."})
    place = _at("template-phase", "fax")
    expected = client.get(place).context["form"].initial["expected"]

    worded = client.post(place, {"title": "Faxes", "summary": "All.", "expected": expected})
    late = client.post(place, {"title": "Late", "summary": "All.", "expected": expected})

    assert (worded.status_code, late.status_code) == (302, 422)
    assert TemplateDraft.objects.get().content["phases"][-1]["title"] == "Faxes"


def test_shipped_conditions_fit_the_form(db: None) -> None:
    for entry in ENTRIES:
        for name in ("applies_when", "required_when"):
            written = entry.get(name) or {}
            assert len(written.get("any", [written])) <= 2, "one is left to add"
    assert AlternativeForm(products={}).fields


# --- Versions, preview, publication


def test_version_page_shows_its_changes(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    page = (
        signed_in(consultant)
        .get(_at("template-list") + f"?version={NEWEST.version}")
        .content.decode()
    )

    assert "Default" in texts(page, f"#version-{NEWEST.version}")[0]
    assert "1 plan uses it" in texts(page, f"#version-{NEWEST.version}")[0]
    assert "Recipient validation" in texts(page, "#shown")[0]


def test_draft_is_created_and_discarded(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    begun = client.post(_at("template-draft-create"), {"version": "1"})
    stored = TemplateDraft.objects.get()
    client.post(_at("template-draft-discard"), {"expected": "0"})

    assert (begun["Location"], stored.base.version) == (_at("template-draft"), 1)
    assert not TemplateDraft.objects.exists()
    assert client.get(_at("template-draft"))["Location"] == _at("template-list")


def test_preview_shows_tasks_of_a_tenant(
    draft: TemplateDraft, tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    page = signed_in(consultant).get(_at("template-preview") + f"?tenant={tenant.public_id}")

    preview = page.context["preview"]
    rows = {row.task.key: row for phase in preview.phases for row in phase.rows}
    tasks = {task.key: task for task in Task.objects.filter(plan=tenant.plan)}
    assert {key: row.applies for key, row in rows.items()} == {
        key: task.applies for key, task in tasks.items()
    }
    assert rows["initial-conversation"].due_on == tasks["initial-conversation"].due_on
    assert rows["mx-record-cutover"].due == "on the day of the inbound cutover"
    assert "Mail platform is Microsoft 365" in page.content.decode()


def test_preview_accepts_a_profile(
    draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    answers = {
        "platform": "google_workspace",
        "directory_method": "google",
        "authentication": "sso",
        "products": ["ttp_url"],
    }

    page = signed_in(consultant).get(_at("template-preview"), answers)

    rows = {r.task.key: r.applies for phase in page.context["preview"].phases for r in phase.rows}
    assert (rows["g-suite-sync"], rows["azure-ad-sync"], rows["url-protect"]) == (True, False, True)


def test_consultant_publishes_with_a_note(
    draft: TemplateDraft, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    client.post(_at("template-task-add"), _typed())

    silent = client.post(_at("template-publish"), {"expected": "1", "note": ""})
    answer = client.post(_at("template-publish"), {"expected": "1", "note": "A fax."})

    assert (silent.status_code, list(silent.context["form"].errors)) == (422, ["note"])
    assert answer["Location"] == _at("template-list")
    newest = newest_template()
    assert newest is not None
    assert (newest.version, newest.note, newest.published_by) == (
        NEWEST.version + 1,
        "A fax.",
        consultant,
    )


@pytest.mark.slow
def test_only_administrators_accept_losses(
    draft: TemplateDraft, consultant: User, administrator: User
) -> None:
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    lesser, higher = sign_in(consultant), sign_in(administrator)
    place = _at("template-task", "mx-record-cutover")
    typed = _as_a_browser_sends(lesser.get(place).context["page"])
    del typed["gate"]
    lesser.post(place, typed)
    words = {"expected": "1", "note": "No gate.", "accepts_losses": "on"}

    shown = lesser.get(_at("template-publish")).content.decode()
    refused = lesser.post(_at("template-publish"), words)
    silent = higher.post(_at("template-publish"), {**words, "accepts_losses": ""})
    meant = higher.post(_at("template-publish"), words)

    assert "no longer a hard gate" in texts(shown, ".dropped")[0]
    assert "Publish new version" not in shown
    assert "What changed, for your colleagues" not in shown
    assert "No gate.</textarea>" in refused.content.decode()
    assert (refused.status_code, silent.status_code, meant.status_code) == (422, 422, 302)


@pytest.mark.parametrize(("who", "status"), [("manager", 403), ("owner", 404)])
def test_templates_need_a_permission(
    tenant: Tenant, signed_in: SignIn, request: pytest.FixtureRequest, who: str, status: int
) -> None:
    client = signed_in(request.getfixturevalue(who))

    assert client.get(_at("template-list")).status_code == status
    assert b"Templates" not in client.get(_at("home"), follow=True).content


# --- Upgrade


@pytest.mark.slow
def test_plan_is_upgraded_after_a_preview(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    def reword(content: Content) -> None:
        draft_task(content, "training").entry["title"] = "Train everybody"

    client = signed_in(consultant)
    made = publish_changed(reword)
    plan_page = client.get(_at("plan-show", tenant.public_id)).content.decode()
    place = _at("plan-upgrade", tenant.public_id)
    shown = client.get(place).content.decode()

    typed = {"to": str(made.version), "expected": str(NEWEST.version)}
    first = client.post(place, typed)
    second = client.post(place, typed)

    assert place in plan_page
    assert "Train everybody" in texts(shown, ".diff")[0]
    assert first["Location"] == _at("plan-show", tenant.public_id)
    assert Plan.objects.get(tenant=tenant).template == made
    assert second.status_code == 422
    assert "No newer version" in second.content.decode()


def test_newest_plan_has_no_upgrade_link(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    page = signed_in(consultant).get(_at("plan-show", tenant.public_id)).content.decode()

    assert _at("plan-upgrade", tenant.public_id) not in page
    assert f"Template version {NEWEST.version}" in page
    assert PlanTemplate.objects.count() == NEWEST.version
