"""Cutovers: planned switches of a tenant's outbound or inbound mail.

Entry points: `urls`, `views/`, `tasks` (open windows). Services: `planning`, `window_confirmation`,
`go_no_go`, `on_call`, `snapshots`, `dry_run`, `freezes`.
Pure modules, without queries: `readiness`, `conflicts`, `blockers`, `change_sheets`, `live_board`,
`rollback`, `follow_up`. `room` loads their facts.

Not here: the dates of windows that plans need (`plans.planned_cutovers`), safe times
(`checks.safe_times`), and drift after go-live (`monitoring`).
"""
