"""Add the constraints and indexes under their new names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0030_glossary_values"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="driftnotification",
            index=models.Index(
                condition=models.Q(("sent_at__isnull", True)),
                fields=["created_at"],
                name="drift_notification_unsent",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["plan", "status"], name="task_plan_status"),
        ),
        migrations.AddConstraint(
            model_name="comment",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_internal", False), ("asked_side", ""), _connector="OR"),
                name="internal_notes_ask_no_side",
            ),
        ),
        migrations.AddConstraint(
            model_name="contact",
            constraint=models.UniqueConstraint(
                fields=("tenant", "role", "name"), name="contact_once_per_role"
            ),
        ),
        migrations.AddConstraint(
            model_name="cutoverdecision",
            constraint=models.UniqueConstraint(
                fields=("cutover", "window_start", "round"), name="one_decision_per_window"
            ),
        ),
        migrations.AddConstraint(
            model_name="domainprogress",
            constraint=models.UniqueConstraint(
                fields=("task", "domain"), name="one_progress_per_task_and_domain"
            ),
        ),
        migrations.AddConstraint(
            model_name="domainprogress",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("exempted_at__isnull", True),
                    models.Q(("exempt_reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="exempt_for_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("resolution", "")),
                    models.Q(
                        ("closed_at__isnull", False), models.Q(("resolution", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="closed_drift_has_resolution",
            ),
        ),
        migrations.AddConstraint(
            model_name="sharelink",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("domain__isnull", True), ("task__isnull", False)),
                    models.Q(("domain__isnull", False), ("task__isnull", True)),
                    _connector="OR",
                ),
                name="share_link_has_one_subject",
            ),
        ),
        migrations.AddConstraint(
            model_name="sheetimport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "failed"), _negated=True),
                    models.Q(("error", ""), _negated=True),
                    _connector="OR",
                ),
                name="import_failed_with_error",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("verified_at__isnull", True), ("regressed_at__isnull", True), _connector="OR"
                ),
                name="task_verified_or_regressed",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("manual_status", "accepted_risk"), _negated=True),
                    ("accepted_until__isnull", False),
                    _connector="OR",
                ),
                name="task_accepted_risk_has_an_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="templatedraft",
            constraint=models.CheckConstraint(
                condition=models.Q(("singleton", 1)), name="one_template_draft"
            ),
        ),
        migrations.AddConstraint(
            model_name="waitingperiod",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("task",),
                name="one_open_waiting_period_per_task",
            ),
        ),
    ]
