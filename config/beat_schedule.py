"""The schedule of Celery beat.

No interval is longer than an hour: a restart of beat can lose the times of the last executions, and
every interval begins again. A task with daily work decides by stored rows that it is due.
A message expires after the interval of its task: the next message covers the same rows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

_INTERVALS = {
    "checks.repeat_reactions": timedelta(seconds=15),
    "tenants.queue_outbox": timedelta(seconds=5),
    "tenants.queue_due_webhooks": timedelta(seconds=5),
    "tenants.delete_old_webhook_messages": timedelta(hours=1),
    "tenants.delete_old_messages": timedelta(hours=1),
    "onboarding.expire_accepted_risks": timedelta(minutes=1),
    "onboarding.complete_waits": timedelta(minutes=1),
    "onboarding.open_cutover_windows": timedelta(minutes=1),
    "onboarding.notify_drifts": timedelta(minutes=1),
    "onboarding.update_drifts": timedelta(minutes=1),
    "onboarding.update_risks": timedelta(minutes=1),
    "onboarding.resume_imports": timedelta(minutes=1),
    "onboarding.resume_archive_imports": timedelta(minutes=1),
    "onboarding.resume_tenant_imports": timedelta(minutes=1),
    "onboarding.reconcile": timedelta(minutes=5),
    "onboarding.build_lost_closing_packs": timedelta(minutes=10),
    "onboarding.sweep_files": timedelta(hours=1),
    "onboarding.send_due_reminders": timedelta(hours=1),
    "tenants.read_groups": timedelta(minutes=1),
    "tenants.clean_notifications": timedelta(hours=1),
    "tenants.publish_heads": timedelta(hours=1),
    "onboarding.delete_abandoned_imports": timedelta(hours=1),
}


def beat_schedule(*, tick_seconds: int) -> dict[str, dict[str, Any]]:
    """Celery's schedule by task name. Due checks are queued every `tick_seconds`.

    A scheduled task only queries ids and queues one message for each tenant, so that a failure at
    one tenant delays no other. A house-rule test enforces this.
    """
    return {
        "checks.queue_due_checks": {
            "task": "checks.queue_due_checks",
            "schedule": float(tick_seconds),
            "options": {"expires": tick_seconds * 5},
        },
        **{
            name: {
                "task": name,
                "schedule": every,
                "options": {"expires": every.total_seconds()},
            }
            for name, every in _INTERVALS.items()
        },
    }
