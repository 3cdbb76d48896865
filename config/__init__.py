"""Settings, URLs, the Celery application, and `make run`.

Entry points: `wsgi` for the web process, `celery` for workers and beat, `bootstrap` and `run` for
`make run`. The Celery application is imported here so that `shared_task` finds it in each process.
Nothing of the product's behaviour belongs here.
"""

from __future__ import annotations

from config.celery import app as celery_app

__all__ = ["celery_app"]
