"""The activity log: one sentence for each activity name."""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string

from tenants.models import ActivityLine, User

ACTIONS: list[tuple[str, dict[str, Any], str]] = [
    (
        "task-verified",
        {"task": "SPF", "subjects": ["a.test", "b.test"]},
        "A check saw SPF done at a.test and b.test.",
    ),
    (
        "task-regressed",
        {"task": "SPF", "subjects": ["a.test"]},
        "SPF no longer holds at a.test, so it is open again.",
    ),
    (
        "task-domains-added",
        {"task": "SPF", "subjects": ["b.test"]},
        "SPF is open again until b.test is seen too.",
    ),
    ("task-confirmed", {"task": "SPF", "side": "client"}, "Jo confirmed SPF for the client."),
    (
        "confirmation-withdrawn",
        {"task": "SPF", "side": "mimecast"},
        "Jo took back the confirmation of SPF for Mimecast.",
    ),
    (
        "responsibility-changed",
        {"task": "SPF", "side": "both"},
        "Jo made SPF the part of both sides.",
    ),
    (
        "cutover-planned",
        {"direction": "inbound", "planned_at": "2026-12-03T19:00:00+00:00"},
        "Jo planned the inbound cutover for Thu 3 Dec 2026, 14:00 EST.",
    ),
    (
        "cutover-planned",
        {"direction": "inbound", "planned_at": "2026-12-03T19:00:00+00:00", "domains": "a.test"},
        "Jo planned the inbound cutover of a.test for Thu 3 Dec 2026, 14:00 EST.",
    ),
    (
        "cutover-changed",
        {"direction": "inbound", "planned_at": "2026-12-03T19:00:00+00:00", "domains": "a.test"},
        "Jo changed the inbound cutover: a.test, Thu 3 Dec 2026, 14:00 EST.",
    ),
    (
        "cutover-cancelled",
        {"direction": "inbound", "domains": "a.test and b.test"},
        "Jo dropped the inbound cutover of a.test and b.test.",
    ),
    (
        "window-confirmed",
        {"direction": "inbound", "reason": "", "domains": "a.test"},
        "Jo confirmed the window of the inbound cutover of a.test.",
    ),
    (
        "cutover-decided",
        {"direction": "inbound", "decision": "go"},
        "The verdict on the inbound cutover is go.",
    ),
    (
        "cutover-planned",
        {"direction": "inbound", "planned_at": ""},
        "Jo dropped the date of the inbound cutover.",
    ),
    (
        "profile-changed",
        {"changes": {"directory_method": ["a", "b"], "platform": ["c", "d"]}},
        "Jo changed the profile: directory method, platform.",
    ),
    ("subjects-added", {"names": ["a.test"]}, "Jo added a.test."),
    ("subjects-removed", {"names": ["a.test"]}, "Jo removed a.test."),
    (
        "subjects-removed",
        {"names": ["a.test"], "answers": 9},
        "Jo took a.test out of the case; what was seen is kept.",
    ),
    (
        "subjects-deleted",
        {"names": ["a.test"], "answers": 2},
        "Jo deleted a.test, of which nothing was ever proven or decided, and 2 answers seen of it.",
    ),
    ("subjects-changed", {"names": ["a.test"]}, "Jo changed the role or code of a.test."),
    ("tenant-created", {"domains": ["a.test"]}, "Jo created the tenant with a.test."),
]


@pytest.mark.parametrize(("action", "params", "sentence"), ACTIONS)
def test_activity_line_is_a_sentence(action: str, params: dict[str, Any], sentence: str) -> None:
    line = ActivityLine(action=action, params=params, actor=User(name="Jo"))

    shown = render_to_string(
        "components/activity_line.html", {"line": line, "zone": "America/New_York"}
    )

    bare = shown.replace("<code>", "").replace("</code>", "").replace("</strong>", "")
    bare = bare.replace('<strong class="bad">', "").replace("<strong>", "")
    assert " ".join(bare.split()) == sentence
