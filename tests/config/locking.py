"""A slow Celery task, for a test that kills its worker."""

from __future__ import annotations

import time
from pathlib import Path

from celery import shared_task


@shared_task(name="tests.sleep")
def sleep(marker: str) -> None:
    Path(marker).write_text("started")
    time.sleep(60)
