"""Monitoring: detect and report drift from the verified setup after go-live.

Entry points: `urls`, `views`, `tasks` (notifications), `drifts.update_for_checks` and
`drifts.update_for_tenant`. `baseline` starts the monitoring, `drift_rules` evaluates one check
without queries, and `notifications` creates and sends e-mails.

Not here: the checks themselves and their schedules (`checks`), and cutover windows (`cutovers`).
"""
