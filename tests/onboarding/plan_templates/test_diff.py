"""Tests of the comparison of two versions and of the guards that the later one loses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from onboarding.plan_templates.content import Content, as_content, read_content
from onboarding.plan_templates.diff import diff, losses, lost_guards
from onboarding.plan_templates.draft_content import remove_entry
from onboarding.plan_templates.registry import TEMPLATES_DIR
from onboarding.plan_templates.schema import TemplateVersion
from onboarding.plan_templates.template_version import load_template_file
from tests.onboarding.plan_templates.drafts import draft_task

NEWEST = load_template_file()


def _changed(change: Callable[[Content], Any]) -> TemplateVersion:
    content = copy.deepcopy(as_content(NEWEST))
    change(content)
    return read_content(content)


def test_equal_versions_have_no_difference() -> None:
    assert diff(NEWEST, NEWEST).is_empty
    assert lost_guards(NEWEST, NEWEST) == []


def test_second_version_only_adds_the_wait() -> None:
    first = load_template_file(TEMPLATES_DIR / "mimecast-1.yaml")

    second = load_template_file(TEMPLATES_DIR / "mimecast-2.yaml")

    found = diff(first, second)

    assert [task.key for task in found.added] == ["outbound-days"]
    assert [
        (each.task.key, [change.field for change in each.changes]) for each in found.changed
    ] == [("mx-record-cutover", ["Depends on"]), ("case-closure", ["Depends on"])]
    assert (found.removed, found.phases, found.is_reordered) == ((), (), False)
    assert lost_guards(first, second) == []


def test_third_version_loses_no_guard() -> None:
    second = load_template_file(TEMPLATES_DIR / "mimecast-2.yaml")

    assert losses(second, NEWEST) == [
        "“DKIM Record Update” was verified by Message, and no longer is."
    ]
    assert diff(second, NEWEST).removed == ()


def test_change_has_text_before_and_after() -> None:
    def change(content: Content) -> None:
        draft_task(content, "branding").entry.update(
            responsibility="both",
            due={"from": "outbound", "working_days": -1},
            applies_when={"platform": ["hybrid", "other"], "journaling": [True]},
            otherwise="No.",
        )

    (found,) = diff(NEWEST, _changed(change)).changed

    texts = {each.field: (each.before, each.after) for each in found.changes}
    assert texts["Done by"] == ("Client", "Mimecast + Client")
    assert texts["Due"][1] == "1 working day before the outbound cutover"
    assert texts["Applies where"] == (
        "",
        "Mail platform is Hybrid or Other, and Journaling is yes",
    )


def test_changed_order_is_a_difference() -> None:
    def swap(content: Content) -> None:
        tasks = content["phases"][10]["tasks"]
        tasks[0], tasks[1] = tasks[1], tasks[0]

    found = diff(NEWEST, _changed(swap))

    assert (found.is_reordered, found.is_empty, found.changed) == (True, False, ())


def _without(key: str, field: str) -> Callable[[Content], Any]:
    return lambda content: draft_task(content, key).entry.pop(field)


def _with(key: str, **texts: Any) -> Callable[[Content], Any]:
    return lambda content: draft_task(content, key).entry.update(**texts)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (_without("mx-record-cutover", "gate"), "“MX Record Cutover” is no longer a hard gate"),
        (
            _without("spf-update", "check"),
            "“SPF Record Update” was verified by SPF, and no longer is.",
        ),
        (
            _with("outbound-days", waits={"after": "outbound-cutover", "days": 1}),
            "waited the agreed days after Outbound Cutover, and now waits for 1 days after",
        ),
        (
            lambda content: remove_entry(content, draft_task(content, "outbound-days")),
            "“Outbound mail runs through Mimecast for some days” is removed",
        ),
        (
            _with("mx-record-cutover", depends_on=["mx-ttl-update"]),
            "“MX Record Cutover” no longer waits for “Outbound Cutover”.",
        ),
        (_with("inbound-delivery-test", optional=True), "becomes optional, so no task waits"),
        (
            _with("domain-ownership", applies_when={"platform": ["other"]}, otherwise="No."),
            "applies to other tenants than before",
        ),
        (
            _with("domain-ownership", domain_roles=["primary"]),
            "no longer applies to all of its former domains",
        ),
    ],
)
def test_lost_guard_is_named(change: Callable[[Content], Any], lost: str) -> None:
    sentences = lost_guards(NEWEST, _changed(change))

    assert [sentence for sentence in sentences if lost in sentence] != []


def test_text_and_due_rule_are_no_guards() -> None:
    change = _with("mx-record-cutover", do="Switch.", due={"from": "inbound", "working_days": 1})

    assert lost_guards(NEWEST, _changed(change)) == []


def test_removed_task_without_guard_is_no_loss() -> None:
    assert (
        lost_guards(NEWEST, _changed(lambda c: remove_entry(c, draft_task(c, "web-security"))))
        == []
    )
