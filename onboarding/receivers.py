"""The completion seam's only receiver."""

from __future__ import annotations

import functools
from typing import Any

from django.dispatch import receiver

from checks.signals import run_recorded
from onboarding import progress
from tenants.retries import repeat_after_conflict


@receiver(run_recorded)
def on_run_recorded(sender: object, check_id: int, **kwargs: Any) -> None:
    repeat_after_conflict(functools.partial(progress.apply_run, check_id))
