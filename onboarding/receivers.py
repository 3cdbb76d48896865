"""The completion seam's only receiver."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from checks.signals import runs_recorded
from onboarding import progress
from tenants.retries import repeat_after_conflict


@receiver(runs_recorded)
def on_runs_recorded(
    sender: object, tenant_id: int, check_ids: Sequence[int], **kwargs: Any
) -> None:
    repeat_after_conflict(functools.partial(progress.apply_runs, tenant_id, check_ids))
