"""The one signal: runs of a tenant were recorded and their settled verdicts computed.

Only `checks.reactions.send_runs_recorded` sends it, after commit, with `tenant_id` and `check_ids`.
"""

from __future__ import annotations

from django.dispatch import Signal

runs_recorded = Signal()
