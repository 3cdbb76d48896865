"""The queues of Celery, the tasks of each, and the workers that serve them.

Each kind of work has its own worker. The interactive worker also serves *windows*, the long worker
*reconcile*, and the webhooks worker *upkeep*.

- *windows*: runs in an open cutover window, and the ticks of the beat; the interactive worker
  helps while no person waits;
- *interactive*: a person waits;
- *checks*: all other runs;
- *scans*: DNS discovery and tests of TLS partners, in threads, because a server can be silent;
- *upkeep*: drifts, risks and reminders of each tenant, and the deletion of old rows;
- *long*: imports, exports and closing packs;
- *reconcile*: the daily reconciliation of each tenant, when no long work waits;
- *mail*: e-mails;
- *webhooks*: deliveries and groups of the provider, in threads, because another system can hang.

*windows*, *interactive* and *checks* exist once for each vantage, because a worker elsewhere has
another network. `checks.claims` chooses between them for the runs.
"""

from __future__ import annotations

DEFAULT_VANTAGE = "default"
WINDOWS = f"windows.{DEFAULT_VANTAGE}"
INTERACTIVE = f"interactive.{DEFAULT_VANTAGE}"
CHECKS = f"checks.{DEFAULT_VANTAGE}"
SCANS = "scans"
UPKEEP = "upkeep"
LONG = "long"
MAIL = "mail"
RECONCILE = "reconcile"
WEBHOOKS = "webhooks"

_TASKS = {
    WINDOWS: (
        "checks.queue_due_checks",
        "onboarding.open_cutover_window",
        "onboarding.open_cutover_windows",
        "tenants.queue_due_webhooks",
        "tenants.queue_outbox",
    ),
    INTERACTIVE: (
        "checks.repeat_reactions",
        "checks.repeat_reactions_of",
        "onboarding.complete_waits",
        "onboarding.complete_waits_of",
        "onboarding.expire_accepted_risks",
        "onboarding.expire_accepted_risks_of",
        "onboarding.run_related_checks",
    ),
    CHECKS: (
        "checks.run_checks",
        "onboarding.read_export",
    ),
    SCANS: ("onboarding.check_tls_partner", "onboarding.scan_dns", "onboarding.scan_new_domains"),
    UPKEEP: (
        "onboarding.notify_drifts",
        "onboarding.notify_drifts_of",
        "onboarding.send_due_reminders",
        "onboarding.send_due_reminders_of",
        "onboarding.update_drifts",
        "onboarding.update_drifts_of",
        "onboarding.update_risks",
        "onboarding.update_risks_of",
        "tenants.clean_notifications",
        "tenants.clean_notifications_of",
        "tenants.delete_old_messages",
        "tenants.delete_old_webhook_messages",
        "tenants.publish_heads",
        "tenants.read_groups",
    ),
    LONG: (
        "onboarding.build_export",
        "onboarding.build_lost_closing_packs",
        "onboarding.build_closing_pack",
        "onboarding.delete_abandoned_imports",
        "onboarding.import_archive",
        "onboarding.import_sheet",
        "onboarding.import_tenants",
        "onboarding.make_dashboard_csv",
        "onboarding.make_list_file",
        "onboarding.resume_archive_imports",
        "onboarding.resume_imports",
        "onboarding.resume_tenant_imports",
        "onboarding.sweep_files",
        "onboarding.sweep_folder",
    ),
    RECONCILE: (
        "onboarding.reconcile",
        "onboarding.reconcile_tenant",
    ),
    MAIL: (
        "onboarding.send_drift_notification",
        "onboarding.send_reminder",
        "tenants.send_email",
        "tenants.send_invitation",
        "tenants.send_message",
    ),
    WEBHOOKS: ("tenants.deliver_webhook", "tenants.read_groups_of"),
}
ROUTES = {task: {"queue": queue} for queue, tasks in _TASKS.items() for task in tasks}

# The workers of one installation, as queues and number of processes or threads. A worker reads
# messages from its queues in alphabetical order (`queue_order_strategy`). The long worker also
# reads those that version 0.1.0 left in its single queue.
WORKERS: dict[str, tuple[str, int]] = {
    "windows": (WINDOWS, 4),
    "interactive": (f"{INTERACTIVE},{WINDOWS}", 2),
    "checks": (CHECKS, 2),
    "scans": (SCANS, 4),
    "long": (f"celery,{LONG},{RECONCILE}", 1),
    "mail": (MAIL, 1),
    "webhooks": (f"{UPKEEP},{WEBHOOKS}", 16),
}
# Their work is to wait for other systems: a thread costs less memory than a process.
THREADED = {"scans", "webhooks", "windows"}
