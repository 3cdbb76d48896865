"""Checks of DNS records and mail hosts: their schedule, their runs and their state.

Entry points: `tasks` (Celery), `api`, `runs.run_batch` (one batch from claim to record),
`run_requests.request_runs` ("Check now"), `expectations.sync_checks` (after a change of a profile)
and `queries` (reads).

Pure modules: `settling`, `scheduling`, `check_state`, `safe_times`, `history`.

Tasks, plans and cutovers do not belong here: `reactions` only sends the signal about new results.
"""
