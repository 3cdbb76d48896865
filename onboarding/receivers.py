"""The completion seam's only receiver."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from checks.signals import run_recorded
from onboarding import progress


@receiver(run_recorded)
def on_run_recorded(sender: object, check_id: int, **kwargs: Any) -> None:
    progress.apply_run(check_id)
