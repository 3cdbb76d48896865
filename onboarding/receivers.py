"""The completion seam's only receiver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from checks.signals import runs_recorded
from onboarding import progress


@receiver(runs_recorded)
def on_runs_recorded(
    sender: object, tenant_id: int, check_ids: Sequence[int], **kwargs: Any
) -> None:
    progress.apply_runs(tenant_id, check_ids)
