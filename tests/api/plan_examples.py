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
    "post cutovers/{cutover_id}/preflight/": {"domain": "{domain_id}", "records": MX},
    "post cutovers/{cutover_id}/dry-runs/": {"records": MX, "comment": "SPF is missing."},
    "post cutovers/{cutover_id}/dry-runs/try/": {"records": MX},
    "post cutovers/{cutover_id}/snapshots/": {},
    "post cutovers/{cutover_id}/on-call/": {
        "person": "contact-{contact_id}",
        "phone": "+44 20 7946 0000",
    },
    "post freezes/": FREEZE,
    "post /freezes/": FREEZE,
    "post /mimecast-holidays/": {"day": "2027-01-01", "name": "New Year’s Day"},
}
_BELOW = "/api/v1/tenants/{public_id}"
_TASK = f"{_BELOW}/tasks/{{task_id}}/"
# The sample objects refuse these actions. Their response is that of another operation.
SAME_RESPONSE = {f"patch {_TASK}": f"get {_TASK}"}
# The status of each refusal.
REFUSED = {f"patch {_TASK}": 422, f"delete {_TASK}": 422}
