"""Settings, addresses and the Celery application. The Celery app is imported here so that
`shared_task` finds it in every process."""

from __future__ import annotations

from config.celery import app as celery_app

__all__ = ["celery_app"]
