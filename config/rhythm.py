"""When the beat queues what. A task that waited longer than its rhythm is dropped: the next one
finds the same rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

_EVERY = {
    "onboarding.end_acceptances": timedelta(minutes=1),
    "onboarding.end_waits": timedelta(minutes=1),
    "onboarding.watch_cutovers": timedelta(minutes=1),
    "onboarding.tell_drifts": timedelta(minutes=1),
    "onboarding.resume_imports": timedelta(minutes=1),
    "onboarding.build_lost_packs": timedelta(minutes=10),
    "onboarding.chase": timedelta(hours=1),
}


def beat_schedule(*, tick_seconds: int) -> dict[str, dict[str, Any]]:
    """Celery's schedule, by the task's name; checks that are due are queued every tick."""
    return {
        "checks.queue_due_checks": {
            "task": "checks.queue_due_checks",
            "schedule": float(tick_seconds),
            "options": {"expires": tick_seconds * 5},
        },
        # However late, once: it brings in line what a day left behind.
        "onboarding.reconcile": {"task": "onboarding.reconcile", "schedule": timedelta(days=1)},
        **{
            name: {
                "task": name,
                "schedule": every,
                "options": {"expires": every.total_seconds()},
            }
            for name, every in _EVERY.items()
        },
    }
