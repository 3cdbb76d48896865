"""Examples of the operations of plans, schedules, cutovers, closing and plan templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MESSAGE = "From: a@one.test\nTo: b@outside.test\nSubject: Test\n\nTest.\n"
MX = "@ MX 10 us-smtp-inbound-1.mimecast.com.\n"
FREEZE = {"first_day": "2027-03-29", "last_day": "2027-04-02", "reason": "Year-end close"}
# The body of each write, as `tests.api.examples.BODIES` has them.
BODIES: Mapping[str, Any] = {
    "post tasks/": {
        "phase": "{phase}",
        "title": "Inform the service desk",
        "responsibility": "client",
        "due_on": "2026-12-18",
    },
    "patch tasks/{task_id}/": {"title": "Inform the service desk and the branches"},
    "post tasks/{task_id}/remind/": {},
    "patch working-time/": {"opens": "08:30", "remind_after_working_days": 3},
    "post holidays/": {"day": "2026-12-28", "name": "Boxing Day"},
    "post original-schedule/": {},
    "post checks/{check_id}/messages/": {"source": MESSAGE},
    "post platform-exports/": {"source": "exchange_online", "text": "{}"},
    "post cutovers/{cutover_id}/preflight/": {"domain": "{domain_id}", "records": MX},
    "post cutovers/{cutover_id}/dry-runs/": {"records": MX, "comment": "SPF is missing."},
    "post cutovers/{cutover_id}/dry-runs/try/": {"records": MX},
    "post cutovers/{cutover_id}/snapshots/": {},
    "post cutovers/{cutover_id}/on-call/": {
        "person": "contact-{contact_id}",
        "phone": "+44 20 7946 0000",
    },
    "post domains/{domain_id}/dns-scan/": {},
    "patch region-values/": {"spf_include": "_netblocks.mimecast.com"},
    "post closing/sign-off/": {"reason": "All mail flows through Mimecast."},
    "post closing/accepted-residual-risks/": {
        "kind": "mx-ttl",
        "subject": "one.test",
        "sentence": "The MX TTL of one.test is 300 seconds.",
        "reason": "The client raises it next week.",
    },
    "post /plan-templates/draft/": {},
    "post /plan-templates/draft/publish/": {"note": "Training of the service desk."},
    "post /plan-templates/draft/tasks/": {
        "title": "Inform the branches",
        "phase": "{phase_key}",
        "do": "Send the date of the cutover to each branch.",
        "shown_by": "Each branch has replied.",
        "applies_when": {"platform": ["on_premises", "hybrid"]},
        "otherwise": "Only companies with own mail servers have branches with mail servers.",
        "due_days": -5,
        "due_from": "inbound",
        "links": [{"title": "Change request", "url": "https://desk.example/changes"}],
    },
    "patch /plan-templates/draft/tasks/{task_key}/": {"responsibility": "mimecast"},
    "post /plan-templates/draft/tasks/{task_key}/move/": {"direction": "up"},
    "post /plan-templates/draft/phases/": {"title": "Review", "summary": "After a month."},
    "patch /plan-templates/draft/phases/{phase_key}/": {"title": "Handover to operations"},
    "post /plan-templates/draft/phases/{phase_key}/move/": {"direction": "up"},
    "post /plan-templates/draft/sources/": {
        "key": "kb_training",
        "title": "Training for administrators",
        "url": "https://desk.example/training",
        "read_on": "2026-11-23",
    },
    "patch /plan-templates/draft/sources/{source_key}/": {"read_on": "2026-11-24"},
    "post plan/upgrade/": {"version": 1},
    "post freezes/": FREEZE,
    "post /freezes/": FREEZE,
    "post /mimecast-holidays/": {"day": "2027-01-01", "name": "New Year’s Day"},
}
_BELOW = "/api/v1/tenants/{public_id}"
_TASK = f"{_BELOW}/tasks/{{task_id}}/"
# The sample objects refuse these actions. Their response is that of another operation.
_CLOSING = f"{_BELOW}/closing"
_ACCEPTED = f"{_CLOSING}/accepted-residual-risks"
_DRAFT = "/api/v1/plan-templates/draft/"
_UPGRADE = f"{_BELOW}/plan/upgrade/"
SAME_RESPONSE = {
    f"post {_DRAFT}": f"get {_DRAFT}",
    f"post {_UPGRADE}": f"get {_UPGRADE}",
    f"patch {_TASK}": f"get {_TASK}",
    f"post {_CLOSING}/sign-off/": f"get {_CLOSING}/",
    f"post {_ACCEPTED}/": f"get {_ACCEPTED}/{{risk_id}}/",
}
# The status of each refusal.
REFUSED = {
    f"post {_DRAFT}": 422,
    f"post {_UPGRADE}": 422,
    f"patch {_TASK}": 422,
    f"delete {_TASK}": 422,
    f"post {_CLOSING}/sign-off/": 422,
    f"post {_ACCEPTED}/": 409,
}
