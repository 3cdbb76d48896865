"""Tests of the draft of the next version: editing, conflicts and publication."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import PlanTemplate, TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.content import Content
from onboarding.plan_templates.draft_content import find
from onboarding.plan_templates.registry import (
    newest_template,
    register_builtin_templates,
    template_version_of,
)
from onboarding.plan_templates.template_version import load_template_file
from tenants.models import ActivityLine, User

NEWEST = load_template_file()
FAX: Content = {
    "title": "Fax server",
    "responsibility": "client",
    "stated": True,
    "do": "Point it at Mimecast.",
    "shown_by": "A fax arrives.",
}
PHASE = "outbound-cutover-phase"


@pytest.fixture
def draft(consultant: User) -> TemplateDraft:
    register_builtin_templates()
    newest = newest_template()
    assert newest is not None
    return drafts.create_draft(newest, by=consultant)


def _entry(key: str) -> Content:
    found = find(TemplateDraft.objects.get().content, key)
    assert found is not None, key
    return found.entry


def _keys(phase: str = PHASE) -> list[str]:
    content = TemplateDraft.objects.get().content
    return next(
        [task["key"] for task in each["tasks"]]
        for each in content["phases"]
        if each["key"] == phase
    )


def _fingerprint(key: str) -> str:
    found = find(TemplateDraft.objects.get().content, key)
    assert found is not None
    return drafts.fingerprint(found.entry, found.phase["key"])


def _add(by: User, **changes: Any) -> str:
    return drafts.save_task({**FAX, **changes}, phase=PHASE, key="", expected="", by=by)


def _publish(by: User, **changes: Any) -> PlanTemplate:
    expected = TemplateDraft.objects.get().revision
    given: dict[str, Any] = {"note": "A fax.", "expected": expected, "accepts_losses": False}
    return drafts.publish(**(given | changes), by=by)


def test_second_draft_is_refused(draft: TemplateDraft, consultant: User) -> None:
    with pytest.raises(OnboardingError, match="There is already a draft"):
        drafts.create_draft(draft.base, by=consultant)

    assert TemplateDraft.objects.count() == 1


def test_added_task_gets_its_own_key(draft: TemplateDraft, consultant: User) -> None:
    first, second = _add(consultant), _add(consultant)

    assert (first, second) == ("fax-server", "fax-server-2")
    assert _keys()[-2:] == [first, second]
    stored = TemplateDraft.objects.get()
    assert (stored.revision, stored.changed_by) == (2, consultant)


def test_key_is_never_reused(draft: TemplateDraft, consultant: User) -> None:
    drafts.remove_task(_add(consultant), by=consultant)
    drafts.remove_task("branding", by=consultant)

    assert _add(consultant) == "fax-server-2"
    assert _add(consultant, title="Branding") == "branding-2"


def test_second_change_of_a_task_conflicts(draft: TemplateDraft, consultant: User) -> None:
    expected, entry = _fingerprint("training"), _entry("training")
    words: Any = {
        "phase": "administration-console",
        "key": "training",
        "expected": expected,
        "by": consultant,
    }
    drafts.save_task({**entry, "title": "First"}, **words)

    with pytest.raises(ConflictingChange, match="Another person has changed this"):
        drafts.save_task({**entry, "title": "Second"}, **words)

    assert _entry("training")["title"] == "First"


def test_changes_of_two_tasks_do_not_conflict(draft: TemplateDraft, consultant: User) -> None:
    marks = {key: _fingerprint(key) for key in ("training", "case-closure")}
    for key, phase in (("training", "administration-console"), ("case-closure", "closure")):
        entry = {**_entry(key), "title": f"New {key}"}
        drafts.save_task(entry, phase=phase, key=key, expected=marks[key], by=consultant)

    assert [_entry(key)["title"] for key in marks] == ["New training", "New case-closure"]


def test_cycle_is_refused_with_titles(draft: TemplateDraft, consultant: User) -> None:
    entry = {**_entry("initial-conversation"), "depends_on": ["implementation-plan-review"]}

    with pytest.raises(drafts.InvalidDraft) as refused:
        drafts.save_task(
            entry,
            phase="onboarding-review",
            key="initial-conversation",
            expected=_fingerprint("initial-conversation"),
            by=consultant,
        )

    assert refused.value.field == "depends_on"
    assert str(refused.value).startswith(
        "These tasks would wait for each other in a cycle: “Initial"
    )
    assert TemplateDraft.objects.get().revision == 0


def test_group_moves_with_its_tasks(draft: TemplateDraft, consultant: User) -> None:
    before = _keys()
    group = [
        "connectivity",
        "data-centers-urls",
        "enhanced-filtering",
        "office-365-connection-filter",
        "gsuite-whitelist",
    ]
    at = before.index("connectivity")
    assert before[at : at + 5] == group

    drafts.move_task("connectivity", up=True, by=consultant)
    drafts.move_task("gsuite-whitelist", up=True, by=consultant)
    drafts.move_task("spf-update", up=True, by=consultant)

    assert _keys()[at - 1 : at + 5] == [
        *group[:3],
        group[4],
        group[3],
        before[at - 1],
    ]
    assert _keys()[0] == "spf-update"


def test_group_changes_phase_with_its_tasks(draft: TemplateDraft, consultant: User) -> None:
    drafts.save_task(
        _entry("connectivity"),
        phase="closure",
        key="connectivity",
        expected=_fingerprint("connectivity"),
        by=consultant,
    )

    assert _keys("closure")[2:] == [
        "connectivity",
        "data-centers-urls",
        "enhanced-filtering",
        "office-365-connection-filter",
        "gsuite-whitelist",
    ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("case-closure", "The closing task cannot be removed"),
        ("connectivity", "It is a group"),
        ("outbound-cutover", "It has sub-tasks"),
    ],
)
def test_needed_task_cannot_be_removed(
    draft: TemplateDraft, consultant: User, key: str, expected: str
) -> None:
    with pytest.raises(OnboardingError, match=expected):
        drafts.remove_task(key, by=consultant)


def test_awaited_task_cannot_be_removed(draft: TemplateDraft, consultant: User) -> None:
    for key in ("user-notice-outbound", "authorised-outbound-addresses", "former-dkim-signing"):
        drafts.remove_task(key, by=consultant)

    with pytest.raises(OnboardingError, match="waits for it"):
        drafts.remove_task("outbound-cutover", by=consultant)


def test_removal_clears_dependencies(draft: TemplateDraft, consultant: User) -> None:
    drafts.remove_task("digest-review", by=consultant)

    assert "digest-review" not in _entry("mx-record-cutover")["depends_on"]


def test_empty_phase_is_omitted(draft: TemplateDraft, consultant: User) -> None:
    key = drafts.save_phase(
        {"title": "Fax", "summary": "All of it."}, key="", expected="", by=consultant
    )

    empty = [phase.key for phase in drafts.version_of_draft(TemplateDraft.objects.get()).phases]
    drafts.save_task(FAX, phase=key, key="", expected="", by=consultant)
    drafts.move_phase(key, up=True, by=consultant)

    filled = drafts.version_of_draft(TemplateDraft.objects.get()).phases
    assert key not in empty
    assert [phase.key for phase in filled][-2:] == ["fax", "closure"]
    with pytest.raises(OnboardingError, match="Move or remove them first"):
        drafts.remove_phase(key, by=consultant)


def test_published_draft_is_the_next_version(draft: TemplateDraft, consultant: User) -> None:
    _add(consultant)

    made = _publish(consultant)

    assert (made.version, made.builtin_version, made.published_by) == (
        NEWEST.version + 1,
        None,
        consultant,
    )
    assert newest_template() == made
    assert "fax-server" in {task.key for task in template_version_of(made).tasks}
    assert not TemplateDraft.objects.exists()
    line = ActivityLine.objects.get(action="template-published")
    assert (line.tenant, line.params["version"], line.params["lost"]) == (
        None,
        NEWEST.version + 1,
        [],
    )


def test_outdated_publication_is_refused(draft: TemplateDraft, consultant: User) -> None:
    _add(consultant)

    with pytest.raises(ConflictingChange):
        _publish(consultant, expected=0)
    with pytest.raises(ConflictingChange):
        drafts.delete_draft(expected=0, by=consultant)

    assert PlanTemplate.objects.count() == NEWEST.version


def test_unchanged_draft_is_not_published(draft: TemplateDraft, consultant: User) -> None:
    with pytest.raises(OnboardingError, match=f"equal to version {NEWEST.version}"):
        _publish(consultant)


@pytest.mark.parametrize("gap", ["<primary domain>", "{smart_hosts}"])
def test_literal_placeholder_is_not_published(
    draft: TemplateDraft, consultant: User, gap: str
) -> None:
    """Pages fill placeholders in instructions only, so the text would show them."""
    drafts.save_task(
        _entry("training") | {"do": f"Write to {gap}."},
        phase="administration-console",
        key="training",
        expected=_fingerprint("training"),
        by=consultant,
    )

    with pytest.raises(OnboardingError, match=f"“Training”: pages show “{gap}” literally"):
        _publish(consultant)

    assert PlanTemplate.objects.count() == NEWEST.version


def test_lost_guard_must_be_accepted(draft: TemplateDraft, consultant: User) -> None:
    entry = {k: v for k, v in _entry("mx-record-cutover").items() if k != "gate"}
    drafts.save_task(
        entry,
        phase="inbound-cutover-phase",
        key="mx-record-cutover",
        expected=_fingerprint("mx-record-cutover"),
        by=consultant,
    )

    with pytest.raises(OnboardingError, match="An administrator must accept"):
        _publish(consultant)
    made = _publish(consultant, accepts_losses=True)

    line = ActivityLine.objects.get(action="template-published")
    assert made.version == NEWEST.version + 1
    assert len(line.params["lost"]) == 1


def test_discarded_draft_is_deleted(draft: TemplateDraft, consultant: User) -> None:
    drafts.delete_draft(expected=0, by=consultant)

    with pytest.raises(drafts.DraftNotFound):
        drafts.move_task("training", up=True, by=consultant)
