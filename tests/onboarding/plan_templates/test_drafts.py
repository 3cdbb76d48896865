"""The draft of the next version: one at a time, always a template, and nobody's work lost."""

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
from tenants.models import ActivityLine, User

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


def _mark(key: str) -> str:
    found = find(TemplateDraft.objects.get().content, key)
    assert found is not None
    return drafts.fingerprint(found.entry, found.phase["key"])


def _add(by: User, **changes: Any) -> str:
    return drafts.save_task({**FAX, **changes}, phase=PHASE, key="", seen="", by=by)


def _publish(by: User, **changes: Any) -> PlanTemplate:
    seen = TemplateDraft.objects.get().revision
    given: dict[str, Any] = {"note": "A fax.", "seen": seen, "accepts_losses": False}
    return drafts.publish(**(given | changes), by=by)


def test_there_is_one_draft_at_a_time(draft: TemplateDraft, consultant: User) -> None:
    with pytest.raises(OnboardingError, match="There is a draft already"):
        drafts.create_draft(draft.base, by=consultant)

    assert TemplateDraft.objects.count() == 1


def test_a_step_is_added_with_a_key_of_its_own(draft: TemplateDraft, consultant: User) -> None:
    first, second = _add(consultant), _add(consultant)

    assert (first, second) == ("fax-server", "fax-server-2")
    assert _keys()[-2:] == [first, second]
    kept = TemplateDraft.objects.get()
    assert (kept.revision, kept.changed_by) == (2, consultant)


def test_a_key_is_never_used_again(draft: TemplateDraft, consultant: User) -> None:
    drafts.remove_task(_add(consultant), by=consultant)
    drafts.remove_task("branding", by=consultant)

    assert _add(consultant) == "fax-server-2"
    assert _add(consultant, title="Branding") == "branding-2"


def test_of_two_who_change_a_step_the_second_is_told(
    draft: TemplateDraft, consultant: User
) -> None:
    seen, entry = _mark("training"), _entry("training")
    words: Any = {
        "phase": "administration-console",
        "key": "training",
        "seen": seen,
        "by": consultant,
    }
    drafts.save_task({**entry, "title": "First"}, **words)

    with pytest.raises(ConflictingChange, match="Somebody else changed this"):
        drafts.save_task({**entry, "title": "Second"}, **words)

    assert _entry("training")["title"] == "First"


def test_two_who_change_different_steps_lose_nothing(
    draft: TemplateDraft, consultant: User
) -> None:
    marks = {key: _mark(key) for key in ("training", "case-closure")}
    for key, phase in (("training", "administration-console"), ("case-closure", "closure")):
        entry = {**_entry(key), "title": f"New {key}"}
        drafts.save_task(entry, phase=phase, key=key, seen=marks[key], by=consultant)

    assert [_entry(key)["title"] for key in marks] == ["New training", "New case-closure"]


def test_a_circle_is_refused_by_the_names_of_its_steps(
    draft: TemplateDraft, consultant: User
) -> None:
    entry = {**_entry("initial-conversation"), "depends_on": ["implementation-plan-review"]}

    with pytest.raises(drafts.InvalidDraft) as refused:
        drafts.save_task(
            entry,
            phase="onboarding-review",
            key="initial-conversation",
            seen=_mark("initial-conversation"),
            by=consultant,
        )

    assert refused.value.field == "depends_on"
    assert str(refused.value).startswith("These would wait for one another in a circle: “Initial")
    assert TemplateDraft.objects.get().revision == 0


def test_a_group_moves_with_its_steps(draft: TemplateDraft, consultant: User) -> None:
    before = _keys()
    group = [
        "connectivity",
        "data-centers-urls",
        "office-365-connection-filter",
        "gsuite-whitelist",
    ]
    at = before.index("connectivity")
    assert before[at : at + 4] == group

    drafts.move_task("connectivity", up=True, by=consultant)
    drafts.move_task("gsuite-whitelist", up=True, by=consultant)
    drafts.move_task("spf-update", up=True, by=consultant)

    assert _keys()[at - 1 : at + 4] == [*group[:2], group[3], group[2], before[at - 1]]
    assert _keys()[0] == "spf-update"


def test_a_group_goes_to_another_phase_with_its_steps(
    draft: TemplateDraft, consultant: User
) -> None:
    drafts.save_task(
        _entry("connectivity"),
        phase="closure",
        key="connectivity",
        seen=_mark("connectivity"),
        by=consultant,
    )

    assert _keys("closure")[1:] == [
        "connectivity",
        "data-centers-urls",
        "office-365-connection-filter",
        "gsuite-whitelist",
    ]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("case-closure", "The closing step stays"),
        ("connectivity", "It is a group"),
        ("outbound-cutover", "counts its days after it"),
    ],
)
def test_what_others_hang_on_is_not_removed(
    draft: TemplateDraft, consultant: User, key: str, said: str
) -> None:
    with pytest.raises(OnboardingError, match=said):
        drafts.remove_task(key, by=consultant)


def test_what_waited_for_a_removed_step_waits_no_longer(
    draft: TemplateDraft, consultant: User
) -> None:
    drafts.remove_task("digest-review", by=consultant)

    assert "digest-review" not in _entry("mx-record-cutover")["depends_on"]


def test_a_phase_without_steps_is_left_out(draft: TemplateDraft, consultant: User) -> None:
    key = drafts.save_phase(
        {"title": "Fax", "summary": "All of it."}, key="", seen="", by=consultant
    )

    empty = [phase.key for phase in drafts.version_of_draft(TemplateDraft.objects.get()).phases]
    drafts.save_task(FAX, phase=key, key="", seen="", by=consultant)
    drafts.move_phase(key, up=True, by=consultant)

    filled = drafts.version_of_draft(TemplateDraft.objects.get()).phases
    assert key not in empty
    assert [phase.key for phase in filled][-2:] == ["fax", "closure"]
    with pytest.raises(OnboardingError, match="move or remove them first"):
        drafts.remove_phase(key, by=consultant)


def test_a_published_draft_is_the_next_version(draft: TemplateDraft, consultant: User) -> None:
    _add(consultant)

    made = _publish(consultant)

    assert (made.version, made.builtin_version, made.published_by) == (3, None, consultant)
    assert newest_template() == made
    assert "fax-server" in {task.key for task in template_version_of(made).tasks}
    assert not TemplateDraft.objects.exists()
    line = ActivityLine.objects.get(action="template-published")
    assert (line.tenant, line.params["version"], line.params["lost"]) == (None, 3, [])


def test_nothing_is_published_that_somebody_changed_meanwhile(
    draft: TemplateDraft, consultant: User
) -> None:
    _add(consultant)

    with pytest.raises(ConflictingChange):
        _publish(consultant, seen=0)
    with pytest.raises(ConflictingChange):
        drafts.delete_draft(seen=0, by=consultant)

    assert PlanTemplate.objects.count() == 2


def test_a_draft_that_changes_nothing_is_not_published(
    draft: TemplateDraft, consultant: User
) -> None:
    with pytest.raises(OnboardingError, match="says what version 2 says"):
        _publish(consultant)


def test_a_guard_is_not_dropped_silently(draft: TemplateDraft, consultant: User) -> None:
    entry = {k: v for k, v in _entry("mx-record-cutover").items() if k != "gate"}
    drafts.save_task(
        entry,
        phase="inbound-cutover-phase",
        key="mx-record-cutover",
        seen=_mark("mx-record-cutover"),
        by=consultant,
    )

    with pytest.raises(OnboardingError, match="An administrator publishes it"):
        _publish(consultant)
    made = _publish(consultant, accepts_losses=True)

    line = ActivityLine.objects.get(action="template-published")
    assert made.version == 3
    assert len(line.params["lost"]) == 1


def test_a_dropped_draft_is_gone(draft: TemplateDraft, consultant: User) -> None:
    drafts.delete_draft(seen=0, by=consultant)

    with pytest.raises(drafts.DraftNotFound):
        drafts.move_task("training", up=True, by=consultant)
