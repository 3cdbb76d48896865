"""A task that takes long, for a worker that is killed while it runs."""

from __future__ import annotations

import time
from pathlib import Path

from celery import shared_task


@shared_task(name="tests.hold")
def hold(marker: str) -> None:
    Path(marker).write_text("begun")
    time.sleep(60)
