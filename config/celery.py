"""The Celery application. Settings come from Django's, under the prefix CELERY_."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("gangway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# The feature packages of onboarding are no Django apps, so Celery finds their tasks by this list.
app.autodiscover_tasks(
    [
        f"onboarding.{feature}"
        for feature in ("plans", "requirements", "cutovers", "monitoring", "lifecycle")
    ]
)
