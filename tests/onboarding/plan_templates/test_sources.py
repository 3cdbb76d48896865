"""Sources of instructions in the template editor."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from onboarding.errors import OnboardingError
from onboarding.models import TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.plan_templates.schema import Source
from tenants.models import Tenant, User
from tests.clock import Clock
from tests.factories import SignIn
from tests.markup import texts

TYPED = {
    "key": "kb_new",
    "title": "Mimecast: New page",
    "url": "https://mimecast.example/new",
    "read_on": "2026-11-23",
}
STORED = {name: value for name, value in TYPED.items() if name != "key"}
# A step of the shipped template names it.
USED = "kb_lockdown"


def _at(name: str, *args: str) -> str:
    return reverse(f"onboarding:{name}", args=args)


@pytest.fixture
def draft(tenant: Tenant, consultant: User, fixed_monday: Clock) -> TemplateDraft:
    newest = newest_template()
    assert newest is not None
    return drafts.create_draft(newest, by=consultant)


@pytest.fixture
def editor(draft: TemplateDraft, consultant: User, signed_in: SignIn) -> Client:
    return signed_in(consultant)


def _sources() -> Content:
    sources: Content = TemplateDraft.objects.get().content["sources"]
    return sources


def _edit(editor: Client, key: str, **typed: str) -> Any:
    form = editor.get(_at("template-source", key)).context["form"]
    sent = {field.html_name: field.value() or "" for field in form}
    return editor.post(_at("template-source", key), sent | typed)


def test_source_is_added_and_published(editor: Client, consultant: User) -> None:
    answer = editor.post(_at("template-source-add"), TYPED)
    drafts.publish(
        note="A source",
        expected=TemplateDraft.objects.get().revision,
        accepts_losses=False,
        by=consultant,
    )

    assert answer["Location"] == f"{_at('template-draft')}#sources"
    newest = newest_template()
    assert newest is not None
    assert template_version_of(newest).sources["kb_new"] == Source(**STORED)


def test_source_is_edited(editor: Client) -> None:
    before = _sources()

    _edit(editor, USED, title="Lockdown", url="", read_on="2026-10")

    assert _sources() == before | {USED: {"title": "Lockdown", "url": None, "read_on": "2026-10"}}


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("key", "KB new", "Use lower-case letters, digits and underscores, such as kb_lockdown."),
        ("key", USED, "Another source has this key."),
        ("title", "", "Enter the title of the page."),
        ("url", "http://mimecast.example/", "“http://mimecast.example/” is not an https address."),
        ("url", "https://", "“https://” is not an https address."),
        ("read_on", "", "Enter the day on which you read the page."),
        ("read_on", "2026-02-30", "Enter a date, such as 2026-11-23, 2026-11 or 2026."),
        ("read_on", "23.11.2026", "Enter a date, such as 2026-11-23, 2026-11 or 2026."),
        ("read_on", "2026-12-01", "The date is in the future."),
    ],
)
def test_invalid_source_is_refused(editor: Client, field: str, value: str, error: str) -> None:
    before = _sources()

    answer = editor.post(_at("template-source-add"), TYPED | {field: value})

    assert answer.status_code == 422
    assert answer.context["form"].errors == {field: [error]}
    assert _sources() == before


def test_concurrent_change_is_refused(editor: Client, consultant: User) -> None:
    expected = drafts.fingerprint(_sources()[USED], USED)
    drafts.save_source(STORED, key=USED, expected=expected, by=consultant)

    first = _edit(editor, USED, title="Mine", expected=expected)
    empty = _edit(editor, USED, title="Mine", expected="")

    assert [each.context["form"].non_field_errors() for each in (first, empty)] == [
        [drafts.CHANGED]
    ] * 2
    assert _sources()[USED] == STORED


def test_only_unused_source_is_removed(editor: Client) -> None:
    editor.post(_at("template-source-add"), TYPED)

    editor.post(_at("template-source-remove", "kb_new"))
    refused = editor.post(_at("template-source-remove", USED), follow=True)

    assert "kb_new" not in _sources()
    assert USED in _sources()
    [message] = [str(each) for each in refused.context["messages"]]
    assert "is not in the “sources” of the template" in message


def _save_without(editor: Client, key: str, field: str) -> None:
    address = _at("template-task", key)
    page = editor.get(address).context["page"]
    sent = QueryDict(mutable=True)
    for form in (page.form, *page.applies.forms, *page.required.forms):
        for each in form:
            value = each.value()
            values = value if isinstance(value, list | tuple) else [value]
            sent.setlist(each.html_name, [str(v) for v in values if v not in (None, "", False)])
    sent[field] = ""
    assert editor.post(address, sent).status_code == 302


@pytest.mark.parametrize("field", ["do_source", "shown_by_source", "why_source"])
def test_statement_keeps_its_sources(editor: Client, consultant: User, field: str) -> None:
    _save_without(editor, "training", field)

    with pytest.raises(OnboardingError, match=r"“Training”: name the sources of the instructions"):
        drafts.publish(
            note="No source",
            expected=TemplateDraft.objects.get().revision,
            accepts_losses=False,
            by=consultant,
        )


def test_summary_keeps_its_sources(editor: Client, consultant: User) -> None:
    address = _at("template-phase", "closure")
    form = editor.get(address).context["form"]
    sent = {field.html_name: field.value() for field in form}
    assert sent["summary_source"] == "kb_onboarding_steps"
    editor.post(address, sent | {"summary_source": ""})

    with pytest.raises(OnboardingError, match=r"“Closure”: name the sources of the summary"):
        drafts.publish(
            note="No source",
            expected=TemplateDraft.objects.get().revision,
            accepts_losses=False,
            by=consultant,
        )


def test_unknown_source_of_a_text_is_refused_beside_it(editor: Client) -> None:
    address = _at("template-phase", "closure")
    form = editor.get(address).context["form"]
    sent = {field.html_name: field.value() for field in form}

    answer = editor.post(address, sent | {"summary_source": "kb_onboarding_steps, kb_none"})

    assert answer.status_code == 422
    assert answer.context["form"].errors == {
        "summary_source": ["“kb_none” is not in the “sources” of the template."]
    }
    assert 'value="kb_onboarding_steps, kb_none"' in answer.content.decode()


def test_draft_and_comparison_list_sources(editor: Client) -> None:
    editor.post(_at("template-source-add"), TYPED)

    draft = editor.get(_at("template-draft")).content.decode()
    publish = editor.get(_at("template-publish")).content.decode()

    assert any("Mimecast: New page kb_new · read on 2026-11-23" in t for t in texts(draft, "li"))
    assert "The source “Mimecast: New page” is new." in publish


@pytest.mark.parametrize("side", ["consultant", "owner"])
def test_each_text_has_its_own_sources(
    side: str, tenant: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    """A reader sees which statements are rules of Gangway itself."""
    person, name = {
        "consultant": (consultant, "plan-show"),
        "owner": (owner, "my-tasks"),
    }[side]

    html = signed_in(person).get(_at(name, tenant.public_id)).content.decode()

    (text,) = texts(html, "#initial-conversation")
    criteria_at = text.index("What verifies it")
    reason_at = text.index("Why does this matter?")
    instructions, criteria = text[:criteria_at], text[criteria_at:reason_at]
    article = "Mimecast: Managed/Guided Onboarding Steps (2026-11-23)"
    rule = "Gangway: the rule by which it completes this task (2026-11-29)"
    assert [article in instructions, article in criteria] == [True, False]
    assert [rule in instructions, rule in criteria] == [False, True]
    reason = text[reason_at:]
    assert reason.startswith(
        "Why does this matter? Mimecast requires all individuals involved to be identified in this"
    )
    assert [article in reason, rule in reason] == [True, False]
