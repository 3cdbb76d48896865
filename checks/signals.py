"""The one signal: an answer was recorded and its settled verdict computed.

`checks.services.record_run` sends it after commit, with `check_id`; nothing else does.
"""

from __future__ import annotations

from django.dispatch import Signal

run_recorded = Signal()
