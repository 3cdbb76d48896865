"""The one signal: a run was recorded and its settled verdict computed.

Only `checks.services.record_run` sends it, after commit, with `check_id`.
"""

from __future__ import annotations

from django.dispatch import Signal

run_recorded = Signal()
