"""Tasks of a plan: status, transitions, evaluation, roll-up, dates, waiting on and reminders.

Entry points: `services` and `custom_tasks` (writes), `queries` (reads), `transitions.why_not` (the
rules), `evaluation.reevaluate` (after a change of the profile) and `tenant_page.load_page` (for
views). This is the lowest feature: it imports no other feature. Code about a cutover, a
requirements sheet or a comment does not belong here.
"""
