"""Every Celery task has a queue, and a worker serves it."""

from __future__ import annotations

import pytest
from celery import current_app

from config import queues


def _tasks() -> list[str]:
    current_app.loader.import_default_modules()
    return sorted(name for name in current_app.tasks if not name.startswith("celery."))


def test_every_task_has_a_queue() -> None:
    own = [name for name in _tasks() if name.split(".")[0] in ("checks", "onboarding", "tenants")]

    assert own == sorted(queues.ROUTES)


@pytest.mark.parametrize("queue", sorted({route["queue"] for route in queues.ROUTES.values()}))
def test_one_worker_serves_each_queue(queue: str) -> None:
    serving = [name for name, (served, _) in queues.WORKERS.items() if queue in served.split(",")]

    helpers = {queues.WINDOWS: ["windows", "interactive"]}
    assert serving == helpers.get(queue, serving[:1])
    assert serving


def test_interactive_worker_runs_requested_checks_first() -> None:
    served, _ = queues.WORKERS["interactive"]

    # Workers take messages from their queues in alphabetical order.
    assert sorted(served.split(",")) == [queues.INTERACTIVE, queues.WINDOWS]
