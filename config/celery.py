"""The Celery application. Its settings are Django settings with the prefix CELERY_."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("gangway", task_cls="tenants.outbox_tasks:OutboxTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Celery discovers tasks in Django apps only. The feature packages of onboarding are none.
app.autodiscover_tasks(
    [
        f"onboarding.{feature}"
        for feature in (
            *("plans", "requirements", "cutovers", "monitoring", "lifecycle", "portfolio"),
            "lifecycle.archive",
            "lifecycle.tenant_import",
        )
    ]
)
