"""The schedule of Celery beat.

A message expires after the interval of its task: the next message covers the same rows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

_INTERVALS = {
    "onboarding.expire_accepted_risks": timedelta(minutes=1),
    "onboarding.complete_waits": timedelta(minutes=1),
    "onboarding.open_cutover_windows": timedelta(minutes=1),
    "onboarding.notify_drifts": timedelta(minutes=1),
    "onboarding.resume_imports": timedelta(minutes=1),
    "onboarding.build_lost_packs": timedelta(minutes=10),
    "onboarding.send_due_reminders": timedelta(hours=1),
}


def beat_schedule(*, tick_seconds: int) -> dict[str, dict[str, Any]]:
    """Celery's beat schedule by task name. `tick_seconds` is the interval for due checks."""
    return {
        "checks.queue_due_checks": {
            "task": "checks.queue_due_checks",
            "schedule": float(tick_seconds),
            "options": {"expires": tick_seconds * 5},
        },
        # Never expires: the daily reconciliation must run once, however late.
        "onboarding.reconcile": {"task": "onboarding.reconcile", "schedule": timedelta(days=1)},
        **{
            name: {
                "task": name,
                "schedule": every,
                "options": {"expires": every.total_seconds()},
            }
            for name, every in _INTERVALS.items()
        },
    }
