"""The tables of a new database, in one migration instead of 64.

`tests/test_squashed_migrations.py` compares it with the migrations that it replaces.
"""

import datetime
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import tenants.database_time
import tenants.public_ids
from onboarding.plans import revision_trigger
from tenants.migration_operations import AddTrigramIndexes, DropPatternIndexes


def notify_of_revisions(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    revision_trigger.switch_on(schema_editor.connection)


def end_notify(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    revision_trigger.switch_off(schema_editor.connection)


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("onboarding", "0001_initial"),
        ("onboarding", "0002_task_life"),
        ("onboarding", "0003_comments"),
        ("onboarding", "0004_contacts"),
        ("onboarding", "0005_dates"),
        ("onboarding", "0006_sheets"),
        ("onboarding", "0007_cutover_window"),
        ("onboarding", "0008_cutover_snapshot"),
        ("onboarding", "0009_cutover_verdict"),
        ("onboarding", "0010_cutover_domains"),
        ("onboarding", "0011_cutovers_keep_their_domains"),
        ("onboarding", "0012_freezes"),
        ("onboarding", "0013_accepted_objections"),
        ("onboarding", "0014_on_call"),
        ("onboarding", "0015_rehearsal"),
        ("onboarding", "0016_drift_watch"),
        ("onboarding", "0017_drift_letter"),
        ("onboarding", "0018_closing_pack"),
        ("onboarding", "0019_task_waits"),
        ("onboarding", "0020_task_own"),
        ("onboarding", "0021_template_content"),
        ("onboarding", "0022_template_builtin"),
        ("onboarding", "0023_reminders"),
        ("onboarding", "0024_comment_files"),
        ("onboarding", "0025_vote_held_back"),
        ("onboarding", "0026_cutover_dropped"),
        ("onboarding", "0027_import_attempts"),
        ("onboarding", "0028_rename_to_glossary"),
        ("onboarding", "0029_glossary_options"),
        ("onboarding", "0030_glossary_values"),
        ("onboarding", "0031_glossary_constraints"),
        ("onboarding", "0032_task_role"),
        ("onboarding", "0033_task_role_values"),
        ("onboarding", "0034_one_task_per_role"),
        ("onboarding", "0035_glossary_labels"),
        ("onboarding", "0036_accepted_residual_risks"),
        ("onboarding", "0038_planning_reason_and_safe_from"),
        ("onboarding", "0040_task_fields"),
        ("onboarding", "0041_requirements_facts"),
        ("onboarding", "0042_signed_hosts"),
        ("onboarding", "0043_hosts_of_sheets"),
        ("onboarding", "0044_mimecast_holidays"),
        ("onboarding", "0045_reconciled_at"),
        ("onboarding", "0046_lists_of_faults"),
        ("onboarding", "0047_search"),
        ("onboarding", "0048_tenant_imports"),
        ("onboarding", "0049_no_duplicate_indexes"),
        ("onboarding", "0050_calendar_feeds"),
        ("onboarding", "0051_revision_trigger"),
        ("onboarding", "0052_pattern_indexes"),
        ("onboarding", "0053_plan_risks"),
        ("onboarding", "0054_database_time_defaults"),
        ("onboarding", "0055_plan_figures"),
        ("onboarding", "0056_accepted_risk_index"),
        ("onboarding", "0057_decommission_and_dated_cautions"),
        ("onboarding", "0058_tenant_archives"),
        ("onboarding", "0059_archive_pattern_index"),
        ("onboarding", "0060_task_plain_title"),
        ("onboarding", "0061_saved_views"),
        ("onboarding", "0062_saved_view_pattern_index"),
        ("onboarding", "0063_domain_scan"),
        ("onboarding", "0064_domain_scan_pattern_indexes"),
        ("onboarding", "0065_residual_risk_contradiction"),
        ("onboarding", "0067_task_completed_by"),
    ]

    dependencies = [
        ("tenants", "0001_squashed_0027_setup_finished"),
        ("checks", "0001_squashed_0022_export_pattern_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="AcceptedResidualRisk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="accepted_residual_risks",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("last-cache", "Old MX records in caches"),
                            ("safe-lockdown", "Safe time of the lockdown"),
                            ("lockdown", "Lockdown not verified"),
                            ("mx-ttl", "MX TTL not raised again"),
                            ("waiting-period", "Waiting period not over"),
                            ("contradiction", "Received message contradicts a task"),
                        ],
                        max_length=20,
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=255)),
                ("state", models.CharField(max_length=20)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("sentence", models.TextField()),
                ("reason", models.CharField(max_length=500)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "accepted_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                (
                    "withdrawn_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["accepted_at", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("withdrawn_at__isnull", True)),
                        fields=("tenant", "kind", "subject"),
                        name="one_acceptance_per_residual_risk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="residual_risk_accepted_for_a_reason",
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="ArchiveImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("stored_as", models.CharField(editable=False, max_length=80, unique=True)),
                ("size", models.PositiveBigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("reading", "Reading"),
                            ("ready", "Ready for review"),
                            ("importing", "Importing"),
                            ("done", "Imported"),
                            ("failed", "Failed"),
                        ],
                        default="reading",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("progress_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("rows", models.PositiveIntegerField(default=0)),
                ("report", models.JSONField(default=dict)),
                ("error", models.CharField(blank=True, max_length=500)),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "failed"), _negated=True),
                            models.Q(("error", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="archive_import_failed_with_error",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="CalendarEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calendar_entries",
                        to="tenants.tenant",
                    ),
                ),
                ("uid", models.CharField(max_length=100, unique=True)),
                ("sequence", models.PositiveIntegerField(default=0)),
                ("values", models.JSONField()),
                ("changed_at", models.DateTimeField()),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["uid"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="CalendarFeed",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("own", "My calendar"),
                            ("tenant", "One tenant"),
                            ("team", "All tenants of the team"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calendar_feeds",
                        to="tenants.tenant",
                    ),
                ),
                ("token_hash", models.CharField(editable=False, max_length=64, unique=True)),
                ("site", models.CharField(blank=True, max_length=300)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("scope", "tenant"), ("tenant__isnull", False)),
                            models.Q(
                                models.Q(("scope", "tenant"), _negated=True),
                                ("tenant__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="feed_of_a_tenant_names_it",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="ClosingPack",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="closing_packs",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                ("stored_as", models.CharField(blank=True, editable=False, max_length=80)),
                ("size", models.PositiveBigIntegerField(default=0)),
                ("seal", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "ordering": ["-requested_at", "-pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contacts",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("technical", "Technical contact"),
                            ("dns", "DNS owner"),
                            ("firewall", "Firewall owner"),
                            ("directory", "Directory administrator"),
                            ("signatory", "Signatory (a director)"),
                            ("emergency", "Emergency contact"),
                        ],
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("phone", models.CharField(blank=True, max_length=40)),
                (
                    "availability",
                    models.CharField(blank=True, max_length=300, verbose_name="Availability"),
                ),
                (
                    "changed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("changed_at", models.DateTimeField(default=tenants.database_time.known_now)),
            ],
            options={
                "ordering": ["role", "name", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "role", "name"), name="contact_once_per_role"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="DomainScan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                ("domains", models.JSONField(default=list)),
                ("changed", models.JSONField(default=list)),
                ("found", models.JSONField(default=dict)),
                ("scanned_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Drift",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drifts",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("leftover_mx", "MX records changed"),
                            ("include_gone", "SPF no longer permits Mimecast"),
                            ("key_gone", "DKIM key missing or changed"),
                            ("ttl_low", "MX TTL never raised"),
                            ("port_reopened", "Port 25 open again"),
                            ("region_changed", "Mimecast’s values changed"),
                            ("mta_sts_narrowed", "MTA-STS does not permit the MX"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "check_asked",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="drifts",
                        to="checks.check",
                    ),
                ),
                ("subject", models.CharField(max_length=260)),
                ("findings", models.JSONField(default=list)),
                (
                    "observation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="checks.observation",
                    ),
                ),
                ("opened_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "resolution",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("resolved", "Resolved"),
                            ("applied", "Accepted as the new baseline"),
                            ("unmonitored", "No longer monitored"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("resolution_reason", models.CharField(blank=True, max_length=500)),
                (
                    "resolving_observation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="checks.observation",
                    ),
                ),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("acknowledgement_reason", models.CharField(blank=True, max_length=500)),
                ("muted_until", models.DateTimeField(blank=True, null=True)),
                (
                    "muted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("opening_notified_at", models.DateTimeField(blank=True, null=True)),
                ("closing_notified_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-opened_at", "-pk"],
                "indexes": [
                    models.Index(fields=["tenant", "closed_at"], name="drift_tenant_closed")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("tenant", "kind", "subject"),
                        name="one_open_drift_per_subject",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("resolution", "")),
                            models.Q(
                                ("closed_at__isnull", False),
                                models.Q(("resolution", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="closed_drift_has_resolution",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DriftNotification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drift_notifications",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("changes", models.JSONField()),
                ("created_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["created_at", "pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("sent_at__isnull", True)),
                        fields=["created_at"],
                        name="drift_notification_unsent",
                    )
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Freeze",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="freezes",
                        to="tenants.tenant",
                    ),
                ),
                ("first_day", models.DateField(verbose_name="From")),
                ("last_day", models.DateField(verbose_name="To, inclusive")),
                ("reason", models.CharField(max_length=80)),
            ],
            options={
                "ordering": ["first_day", "pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_day__gte", models.F("first_day"))),
                        name="freeze_ends_after_it_begins",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Holiday",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="holidays",
                        to="tenants.tenant",
                    ),
                ),
                ("day", models.DateField()),
                ("name", models.CharField(max_length=80)),
            ],
            options={
                "ordering": ["day"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "day"), name="holiday_once_per_tenant"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("tenant__isnull", True)),
                        fields=("day",),
                        name="mimecast_holiday_once",
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Monitoring",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="monitoring",
                        to="tenants.tenant",
                    ),
                ),
                ("started_at", models.DateTimeField()),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("cutover", "The inbound cutover was verified"),
                            ("closed", "The implementation was closed"),
                        ],
                        max_length=10,
                    ),
                ),
                ("region_values", models.JSONField(default=dict)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="PlanTemplate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField(unique=True)),
                ("loaded_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("content", models.JSONField(default=dict)),
                (
                    "builtin_version",
                    models.PositiveIntegerField(blank=True, null=True, unique=True),
                ),
                ("is_imported", models.BooleanField(db_default=False, default=False)),
                ("note", models.TextField(blank=True)),
                (
                    "published_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="saved_views",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(blank=True, max_length=2000)),
                ("is_shared", models.BooleanField(default=False)),
                ("is_default", models.BooleanField(default=False)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
            ],
            options={
                "ordering": ["name", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "name"), name="saved_view_once_per_owner"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("owner",),
                        name="one_default_view_per_owner",
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="TenantExport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exports",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                ("stored_as", models.CharField(blank=True, editable=False, max_length=80)),
                ("size", models.PositiveBigIntegerField(default=0)),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("tables", "ZIP with one file for each table"),
                            ("archive", "JSON archive for another installation"),
                        ],
                        db_default="tables",
                        default="tables",
                        max_length=10,
                    ),
                ),
                ("sha256", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("error", models.CharField(blank=True, db_default="", default="", max_length=300)),
            ],
            options={
                "ordering": ["-requested_at"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="TenantImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("content", models.BinaryField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("reading", "Reading"),
                            ("ready", "Ready for review"),
                            ("creating", "Creating"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="reading",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("progress_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("report", models.JSONField(default=dict)),
                ("error", models.CharField(blank=True, max_length=500)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "failed"), _negated=True),
                            models.Q(("error", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="tenant_import_failed_with_error",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="WorkingTime",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="working_time",
                        to="tenants.tenant",
                    ),
                ),
                ("weekdays", models.CharField(default="01234", max_length=7)),
                ("opens", models.TimeField(default=datetime.time(9, 0))),
                ("closes", models.TimeField(default=datetime.time(17, 0))),
                ("remind_after_working_days", models.PositiveSmallIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("closes__gt", models.F("opens"))),
                        name="opens_before_closing",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Plan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="plan",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="onboarding.plantemplate"
                    ),
                ),
                ("revision", models.PositiveIntegerField(default=0)),
                ("tasks_total", models.PositiveIntegerField(default=0)),
                ("tasks_complete", models.PositiveIntegerField(default=0)),
                ("tasks_regressed", models.PositiveIntegerField(default=0)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                (
                    "reconciled_at",
                    models.DateTimeField(blank=True, db_index=True, editable=False, null=True),
                ),
                (
                    "risks_revision",
                    models.PositiveIntegerField(blank=True, editable=False, null=True),
                ),
                ("risks_valid_until", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="TemplateDraft",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "singleton",
                    models.PositiveSmallIntegerField(default=1, editable=False, unique=True),
                ),
                (
                    "base",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="onboarding.plantemplate",
                    ),
                ),
                ("content", models.JSONField()),
                ("removed_keys", models.JSONField(default=list)),
                ("revision", models.PositiveIntegerField(default=0)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(default=tenants.database_time.known_now)),
                (
                    "changed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("changed_at", models.DateTimeField(default=tenants.database_time.known_now)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("singleton", 1)), name="one_template_draft"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Phase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="phases",
                        to="onboarding.plan",
                    ),
                ),
                ("key", models.CharField(max_length=60)),
                ("position", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=120)),
                ("summary", models.TextField(blank=True)),
                ("tasks_total", models.PositiveIntegerField(default=0)),
                ("tasks_complete", models.PositiveIntegerField(default=0)),
                ("tasks_regressed", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("plan", "key"), name="phase_once_per_plan")
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="PlanFigures",
            fields=[
                (
                    "plan",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="figures",
                        serialize=False,
                        to="onboarding.plan",
                    ),
                ),
                ("current_phase", models.CharField(blank=True, max_length=60)),
                (
                    "waiting_on",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("mimecast", "Mimecast"),
                            ("client", "Client"),
                            ("both", "Mimecast + Client"),
                        ],
                        max_length=10,
                    ),
                ),
                ("waiting_since", models.DateTimeField(blank=True, null=True)),
                ("next_cutover_at", models.DateTimeField(blank=True, null=True)),
                ("forecast_on", models.DateField(blank=True, null=True)),
                ("due_on", models.DateField(blank=True, null=True)),
                ("original_due_on", models.DateField(blank=True, null=True)),
                ("late_days", models.IntegerField(blank=True, null=True)),
                ("slip_days", models.IntegerField(blank=True, null=True)),
                ("follow_up", models.PositiveIntegerField(default=0)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="PlanRisk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="risks",
                        to="onboarding.plan",
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        choices=[
                            ("regressed", "A task regressed"),
                            ("failing", "A check fails"),
                            ("drift", "Drift since go-live"),
                            ("overdue", "A cutover is overdue"),
                            ("blocked", "Open tasks shortly before a cutover"),
                            ("late", "Late by the forecast"),
                            ("no-approver", "No approver"),
                            ("no-on-call", "No person on call"),
                            ("waiting", "Waiting too long"),
                        ],
                        max_length=20,
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("params", models.JSONField(default=dict)),
                ("cutover_at", models.DateTimeField(blank=True, null=True)),
                ("since", models.DateTimeField()),
            ],
            options={
                "ordering": ["plan", "position"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="PhaseTime",
            fields=[
                (
                    "phase",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="time",
                        serialize=False,
                        to="onboarding.phase",
                    ),
                ),
                ("started_on", models.DateField()),
                ("completed_on", models.DateField(blank=True, null=True)),
                ("days", models.PositiveIntegerField()),
                ("mimecast_days", models.PositiveIntegerField()),
                ("client_days", models.PositiveIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["completed_on"], name="phase_time_completed")],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="onboarding.plan",
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="onboarding.phase",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="children",
                        to="onboarding.task",
                    ),
                ),
                ("key", models.CharField(max_length=60)),
                (
                    "role",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("switches-outbound", "Switches outbound mail"),
                            ("switches-inbound", "Switches inbound mail"),
                            ("delivery-test", "Tests inbound delivery"),
                            ("lockdown", "Locks down inbound connections"),
                            ("decommission", "Switches off the old gateway"),
                            ("closure", "Closes the implementation"),
                            ("directory", "Synchronises the directory"),
                            ("verifies:ownership", "Verifies domain ownership"),
                            ("verifies:spf", "Verifies the SPF record"),
                            ("verifies:dkim", "Verifies DKIM signing"),
                            ("verifies:mx-ttl", "Verifies the TTL of the MX records"),
                            ("verifies:smtp", "Verifies SMTP connections"),
                            ("gathers:request-for-information", "Sheet: request for information"),
                            ("gathers:forwarding", "Sheet: forwarding and relay addresses"),
                            ("gathers:tls-partners", "Sheet: TLS partners"),
                            ("gathers:branding", "Sheet: branding"),
                            ("gathers:spoofing-exceptions", "Sheet: anti-spoofing exceptions"),
                            (
                                "gathers:global-senders",
                                "Sheet: global permitted and blocked senders",
                            ),
                            ("gathers:managed-senders", "Sheet: managed senders"),
                            ("gathers:outbound-addresses", "Sheet: outbound addresses"),
                            ("gathers:delivery-routes", "Sheet: delivery routes"),
                            ("gathers:impersonation-vips", "Sheet: VIPs for Impersonation Protect"),
                            ("gathers:setup-checklist", "Sheet: checklist of the setup wizard"),
                        ],
                        max_length=40,
                    ),
                ),
                ("is_custom", models.BooleanField(default=False)),
                ("position", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=200)),
                (
                    "plain_title",
                    models.CharField(blank=True, db_default="", default="", max_length=200),
                ),
                ("instructions", models.TextField(blank=True)),
                ("shown_by", models.TextField(blank=True)),
                ("links", models.JSONField(default=list)),
                (
                    "responsibility",
                    models.CharField(
                        choices=[
                            ("mimecast", "Mimecast"),
                            ("client", "Client"),
                            ("both", "Mimecast + Client"),
                        ],
                        max_length=10,
                    ),
                ),
                ("responsibility_stated", models.BooleanField(default=True)),
                ("depends_on", models.JSONField(default=list)),
                ("check_kinds", models.JSONField(default=list)),
                ("evidence_kinds", models.JSONField(default=list)),
                ("completed_by", models.JSONField(default=list)),
                ("domain_roles", models.JSONField(default=list)),
                ("fields", models.JSONField(default=list)),
                ("planned_cutovers", models.JSONField(default=list)),
                ("is_group", models.BooleanField(default=False)),
                ("is_per_domain", models.BooleanField(default=False)),
                ("is_optional", models.BooleanField(default=False)),
                ("is_hard_gate", models.BooleanField(default=False)),
                ("wait_after", models.CharField(blank=True, max_length=60)),
                ("wait_days", models.PositiveIntegerField(blank=True, null=True)),
                ("field_values", models.JSONField(default=dict)),
                ("applies", models.BooleanField(default=True)),
                ("not_applicable_reason", models.CharField(blank=True, max_length=300)),
                ("mimecast_confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "mimecast_confirmed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("client_confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "client_confirmed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("wait_started_at", models.DateTimeField(blank=True, null=True)),
                ("wait_ends_at", models.DateTimeField(blank=True, null=True)),
                ("confirmation_suffices", models.BooleanField(default=False)),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
                ("regressed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "manual_status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "None"),
                            ("in_progress", "In progress"),
                            ("waiting", "Waiting on the other side"),
                            ("blocked", "Blocked"),
                            ("declined", "Declined"),
                            ("accepted_risk", "Accepted risk"),
                            ("not_needed", "Not needed"),
                        ],
                        default="",
                        max_length=20,
                    ),
                ),
                ("status_reason", models.CharField(blank=True, max_length=500)),
                ("status_set_at", models.DateTimeField(blank=True, null=True)),
                (
                    "status_set_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "status_waiting_on",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("mimecast", "Mimecast"),
                            ("client", "Client"),
                            ("both", "Mimecast + Client"),
                        ],
                        max_length=10,
                    ),
                ),
                ("accepted_until", models.DateTimeField(blank=True, null=True)),
                ("due_from", models.CharField(blank=True, max_length=10)),
                ("due_working_days", models.IntegerField(default=0)),
                ("due_on", models.DateField(blank=True, null=True)),
                ("is_due_date_manual", models.BooleanField(default=False)),
                ("original_due_on", models.DateField(blank=True, null=True)),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="tasks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("safe_from", models.DateTimeField(blank=True, null=True)),
                (
                    "waiting_on",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("mimecast", "Mimecast"),
                            ("client", "Client"),
                            ("both", "Mimecast + Client"),
                        ],
                        max_length=10,
                    ),
                ),
                ("waiting_since", models.DateTimeField(blank=True, null=True)),
                ("reminded_at", models.DateTimeField(blank=True, null=True)),
                ("undo", models.JSONField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("todo", "To do"),
                            ("in_progress", "In progress"),
                            ("waiting", "Waiting on the other side"),
                            ("blocked", "Blocked"),
                            ("partly_confirmed", "One side confirmed"),
                            ("awaiting_verification", "Awaiting verification"),
                            ("regressed", "Regressed"),
                            ("done", "Done"),
                            ("verified", "Verified"),
                            ("accepted_risk", "Accepted risk"),
                            ("declined", "Declined"),
                            ("not_applicable", "Not applicable"),
                        ],
                        default="todo",
                        max_length=24,
                    ),
                ),
                (
                    "status_changed_at",
                    models.DateTimeField(default=tenants.database_time.known_now),
                ),
            ],
            options={
                "ordering": ["position"],
                "indexes": [
                    models.Index(fields=["plan", "status"], name="task_plan_status"),
                    models.Index(
                        condition=models.Q(("status", "regressed")),
                        fields=["regressed_at"],
                        name="task_regressed",
                    ),
                    models.Index(
                        condition=models.Q(("status", "accepted_risk")),
                        fields=["accepted_until"],
                        name="task_accepted_risk",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("plan", "key"), name="task_once_per_plan"),
                    models.UniqueConstraint(
                        condition=models.Q(("role__in", ["", "directory"]), _negated=True),
                        fields=("plan", "role"),
                        name="one_task_per_plan_and_role",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("verified_at__isnull", True),
                            ("regressed_at__isnull", True),
                            _connector="OR",
                        ),
                        name="task_verified_or_regressed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("manual_status", "accepted_risk"), _negated=True),
                            ("accepted_until__isnull", False),
                            _connector="OR",
                        ),
                        name="task_accepted_risk_has_an_end",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="comments",
                        to="onboarding.plan",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="comments",
                        to="onboarding.task",
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("body", models.TextField()),
                (
                    "written_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("is_internal", models.BooleanField(default=False)),
                (
                    "asked_side",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("mimecast", "Mimecast"),
                            ("client", "Client"),
                            ("both", "Mimecast + Client"),
                        ],
                        max_length=10,
                    ),
                ),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                (
                    "reply_to",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="replies",
                        to="onboarding.comment",
                    ),
                ),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "mentions",
                    models.ManyToManyField(
                        blank=True, related_name="mentioned_in", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["written_at", "pk"],
                "indexes": [models.Index(fields=["plan", "task"], name="comment_of_task")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_internal", False), ("asked_side", ""), _connector="OR"
                        ),
                        name="internal_notes_ask_no_side",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DomainProgress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="domain_progress",
                        to="onboarding.task",
                    ),
                ),
                (
                    "domain",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="task_progress",
                        to="tenants.domain",
                    ),
                ),
                ("mimecast_confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "mimecast_confirmed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("client_confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "client_confirmed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("exempt_reason", models.CharField(blank=True, max_length=300)),
                ("exempted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "exempted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("task", "domain"), name="one_progress_per_task_and_domain"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("exempted_at__isnull", True),
                            models.Q(("exempt_reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="exempt_for_a_reason",
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Reminder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reminders",
                        to="onboarding.plan",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("site_url", models.CharField(blank=True, max_length=200)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("tasks", models.ManyToManyField(related_name="reminders", to="onboarding.task")),
            ],
            options={
                "ordering": ["-requested_at", "-pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="RequirementsSheet",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "task",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sheet",
                        to="onboarding.task",
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("row_count", models.PositiveIntegerField(default=0)),
                ("revision", models.PositiveIntegerField(default=0)),
                ("signed_hosts", models.JSONField(blank=True, editable=False, null=True)),
                ("hosts_changed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("mimecast_signed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "mimecast_signed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("client_signed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "client_signed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("mimecast_sign_off_reason", models.CharField(blank=True, max_length=500)),
                ("client_sign_off_reason", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="ShareLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="share_links",
                        to="onboarding.plan",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="share_links",
                        to="onboarding.task",
                    ),
                ),
                (
                    "domain",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="share_links",
                        to="tenants.domain",
                    ),
                ),
                ("recipient", models.CharField(max_length=100)),
                ("token_hash", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="share_links_created",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("views", models.PositiveIntegerField(default=0)),
                ("viewed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("domain__isnull", True), ("task__isnull", False)),
                            models.Q(("domain__isnull", False), ("task__isnull", True)),
                            _connector="OR",
                        ),
                        name="share_link_has_one_subject",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="WaitingPeriod",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="waiting_periods",
                        to="onboarding.task",
                    ),
                ),
                (
                    "side",
                    models.CharField(
                        choices=[
                            ("mimecast", "Mimecast"),
                            ("client", "Client"),
                            ("both", "Mimecast + Client"),
                        ],
                        max_length=10,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["started_at", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("task",),
                        name="one_open_waiting_period_per_task",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="EvidenceFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="onboarding.task",
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("content_type", models.CharField(max_length=80)),
                ("size", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("stored_as", models.CharField(editable=False, max_length=80, unique=True)),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "uploaded_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                (
                    "comment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="files",
                        to="onboarding.comment",
                    ),
                ),
            ],
            options={
                "ordering": ["uploaded_at", "pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="SheetImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "sheet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="imports",
                        to="onboarding.requirementssheet",
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("content", models.BinaryField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("reading", "Reading"),
                            ("ready", "Ready for review"),
                            ("importing", "Importing"),
                            ("done", "Imported"),
                            ("failed", "Failed"),
                        ],
                        default="reading",
                        max_length=10,
                    ),
                ),
                (
                    "duplicates",
                    models.CharField(
                        choices=[("skip", "Skip"), ("replace", "Replace")],
                        default="skip",
                        max_length=10,
                    ),
                ),
                ("previewed_revision", models.PositiveIntegerField(default=0)),
                ("rows_checked", models.PositiveIntegerField(default=0)),
                ("rows_found", models.PositiveIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("progress_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("report", models.JSONField(default=dict)),
                ("error", models.CharField(blank=True, max_length=500)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("imported_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "failed"), _negated=True),
                            models.Q(("error", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="import_failed_with_error",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="SheetRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "sheet",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="onboarding.requirementssheet",
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("values", models.JSONField(default=dict)),
                ("key", models.CharField(max_length=200)),
                ("text", models.TextField(default="")),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("profile", "From the profile"),
                            ("people", "From the people of this tenant"),
                            ("dns", "From DNS"),
                            ("sheets", "From another requirements sheet"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "changed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("changed_at", models.DateTimeField(default=tenants.database_time.known_now)),
            ],
            options={
                "ordering": ["position"],
                "indexes": [models.Index(fields=["sheet", "position"], name="row_in_order")],
                "constraints": [
                    models.UniqueConstraint(fields=("sheet", "key"), name="row_once_per_sheet")
                ],
            },
        ),
        migrations.CreateModel(
            name="TlsPartnerCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sheet",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="partner_checks",
                        to="onboarding.requirementssheet",
                    ),
                ),
                ("domain", models.CharField(max_length=253)),
                ("requested_at", models.DateTimeField()),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("verdict", models.CharField(blank=True, max_length=20)),
                ("findings", models.JSONField(default=list)),
                ("evidence", models.JSONField(default=dict)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sheet", "domain"), name="partner_once_per_sheet"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Cutover",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cutovers",
                        to="onboarding.plan",
                    ),
                ),
                (
                    "direction",
                    models.CharField(
                        choices=[("outbound", "Outbound"), ("inbound", "Inbound")], max_length=10
                    ),
                ),
                ("planned_at", models.DateTimeField()),
                ("round", models.PositiveIntegerField(default=1)),
                ("length_minutes", models.PositiveIntegerField(default=240)),
                ("outbound_days", models.PositiveIntegerField(default=3)),
                ("planning_reason", models.TextField(blank=True)),
                ("planning_reason_at", models.DateTimeField(blank=True, null=True)),
                ("planning_cautions", models.JSONField(blank=True, default=dict)),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("accepted_risk", models.TextField(blank=True)),
                ("accepted_blockers", models.JSONField(blank=True, default=list)),
                (
                    "mimecast_approver",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "client_approver",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("cancelled_domains", models.CharField(blank=True, max_length=800)),
            ],
            options={
                "ordering": ["planned_at", "pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="CutoverDecision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "cutover",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="decisions",
                        to="onboarding.cutover",
                    ),
                ),
                ("window_start", models.DateTimeField()),
                ("round", models.PositiveIntegerField(default=1)),
                ("is_go", models.BooleanField()),
                ("decided_at", models.DateTimeField()),
                ("content", models.JSONField()),
                ("digest", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["-decided_at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cutover", "window_start", "round"), name="one_decision_per_window"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="CutoverDomain",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "cutover",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cutover_domains",
                        to="onboarding.cutover",
                    ),
                ),
                (
                    "domain",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cutover_domains",
                        to="tenants.domain",
                    ),
                ),
                (
                    "direction",
                    models.CharField(
                        choices=[("outbound", "Outbound"), ("inbound", "Inbound")], max_length=10
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("domain", "direction"), name="one_cutover_per_domain_and_direction"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="CutoverSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "cutover",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="snapshots",
                        to="onboarding.cutover",
                    ),
                ),
                ("window_start", models.DateTimeField()),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("opened", "The window opened"),
                            ("requested", "Requested by a person"),
                        ],
                        max_length=10,
                    ),
                ),
                ("taken_at", models.DateTimeField(default=tenants.database_time.known_now)),
                (
                    "taken_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("content", models.JSONField()),
                ("digest", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["-taken_at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("reason", "opened")),
                        fields=("cutover", "window_start"),
                        name="one_snapshot_per_opened_window",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="CutoverStatus",
            fields=[
                (
                    "cutover",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="status",
                        serialize=False,
                        to="onboarding.cutover",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ready", "Ready"),
                            ("at-risk", "At risk"),
                            ("open", "Open"),
                            ("switched", "Switched"),
                        ],
                        max_length=10,
                    ),
                ),
                ("label", models.CharField(max_length=40)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="CutoverVote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "cutover",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="votes",
                        to="onboarding.cutover",
                    ),
                ),
                ("window_start", models.DateTimeField()),
                ("round", models.PositiveIntegerField(default=1)),
                (
                    "side",
                    models.CharField(
                        choices=[
                            ("mimecast", "Mimecast"),
                            ("client", "Client"),
                            ("both", "Mimecast + Client"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("is_go", models.BooleanField()),
                ("comment", models.TextField(blank=True)),
                ("accepted_risk", models.TextField(blank=True)),
                ("blockers", models.JSONField(blank=True, default=list)),
                ("voted_at", models.DateTimeField(default=tenants.database_time.known_now)),
            ],
            options={
                "ordering": ["voted_at", "pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="DryRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "cutover",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dry_runs",
                        to="onboarding.cutover",
                    ),
                ),
                ("window_start", models.DateTimeField()),
                ("round", models.PositiveIntegerField()),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("saved_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("records", models.TextField()),
                ("comment", models.TextField(blank=True)),
                ("content", models.JSONField()),
            ],
            options={
                "ordering": ["-saved_at", "-pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="OnCall",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=tenants.public_ids.new_public_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                    ),
                ),
                (
                    "cutover",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="on_call",
                        to="onboarding.cutover",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="on_call",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="on_call",
                        to="onboarding.contact",
                    ),
                ),
                ("phone", models.CharField(max_length=40)),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("contact__isnull", True), ("user__isnull", False)),
                            models.Q(("contact__isnull", False), ("user__isnull", True)),
                            _connector="OR",
                        ),
                        name="on_call_is_one_person",
                    ),
                    models.UniqueConstraint(
                        fields=("cutover", "user"), name="on_call_once_per_cutover"
                    ),
                    models.UniqueConstraint(
                        fields=("cutover", "contact"), name="contact_on_call_once_per_cutover"
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.AddField(
            model_name="cutover",
            name="domains",
            field=models.ManyToManyField(
                related_name="cutovers", through="onboarding.CutoverDomain", to="tenants.domain"
            ),
        ),
        migrations.RunPython(notify_of_revisions, end_notify),
        AddTrigramIndexes(
            {
                "onboarding_task": ["title"],
                "onboarding_comment": ["body"],
                "onboarding_contact": ["name", "email", "phone"],
                "onboarding_evidencefile": ["name"],
            }
        ),
        DropPatternIndexes("onboarding"),
    ]
