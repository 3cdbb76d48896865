"""The tables of a new database, in one migration instead of 22.

`tests/test_squashed_migrations.py` compares it with the migrations that it replaces.
"""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import tenants.database_time
import tenants.public_ids
from tenants.migration_operations import DropPatternIndexes

# Every run updates rows of these tables, within a page if it has free space.
FREE_SPACE = (("checks_check", 60), ("checks_observation", 80))


def reserve_free_space(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table, percent in FREE_SPACE:
            schema_editor.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("checks", "0001_initial"),
        ("checks", "0002_belief_fields"),
        ("checks", "0003_raw_answers"),
        ("checks", "0004_politeness"),
        ("checks", "0005_messages_and_discoveries"),
        ("checks", "0006_observation_told_at"),
        ("checks", "0007_rename_to_glossary"),
        ("checks", "0008_glossary_options"),
        ("checks", "0009_glossary_values"),
        ("checks", "0010_glossary_constraints"),
        ("checks", "0011_status_labels"),
        ("checks", "0012_check_signed_at"),
        ("checks", "0013_received_messages"),
        ("checks", "0014_sending_platform"),
        ("checks", "0015_unevaluated_since"),
        ("checks", "0016_workers"),
        ("checks", "0017_fewer_indexes"),
        ("checks", "0018_lists_of_faults"),
        ("checks", "0019_no_duplicate_indexes"),
        ("checks", "0020_database_time_defaults"),
        ("checks", "0021_submitted_exports"),
        ("checks", "0022_export_pattern_index"),
    ]

    dependencies = [
        ("tenants", "0001_squashed_0027_setup_finished"),
    ]

    operations = [
        migrations.CreateModel(
            name="Discovery",
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
                    "domain",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="discovery",
                        to="tenants.domain",
                    ),
                ),
                ("requested_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("found", models.JSONField(default=dict)),
                ("has_failed", models.BooleanField(default=False)),
                ("dismissed", models.JSONField(default=list)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="HostAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ownership", "Ownership"),
                            ("spf", "SPF"),
                            ("dkim", "DKIM"),
                            ("dmarc", "DMARC"),
                            ("mta_sts", "MTA-STS"),
                            ("mx_ttl", "MX TTL"),
                            ("mx", "MX"),
                            ("smtp", "SMTP 25"),
                            ("ldaps", "LDAPS 636"),
                            ("lockdown", "Lockdown"),
                            ("message", "Message"),
                            ("delivery_message", "Received message"),
                            ("connection_filter", "Connection filter"),
                            ("inbound_connector", "Inbound connector"),
                            ("outbound_connector", "Outbound connector"),
                            ("enhanced_filtering", "Enhanced filtering"),
                            ("cloud_journaling", "Journaling of Exchange Online"),
                            ("accepted_domains", "Accepted domains"),
                            ("cloud_signing", "DKIM signing of Exchange Online"),
                        ],
                        max_length=20,
                    ),
                ),
                ("host", models.CharField(max_length=253)),
                ("port", models.PositiveIntegerField()),
                ("vantage", models.CharField(max_length=40)),
                ("answered_at", models.DateTimeField()),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("pass", "Pass"),
                            ("warn", "Warning"),
                            ("fail", "Fail"),
                            ("unknown", "No reliable answer"),
                            ("not_applicable", "Not applicable"),
                        ],
                        max_length=20,
                    ),
                ),
                ("unanimous", models.BooleanField()),
                ("findings", models.JSONField()),
                ("evidence", models.JSONField()),
                ("raw", models.JSONField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "host", "port", "vantage"), name="one_answer_per_question"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="ProbeSlot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", models.CharField(max_length=45)),
                ("port", models.PositiveIntegerField()),
                ("used_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("address", "port"), name="one_slot_per_address")
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="RawAnswers",
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
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="raw_answers",
                        to="tenants.tenant",
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                ("body", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "digest"), name="unique_raw_answers")
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="SubmittedExport",
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
                        related_name="submitted_exports",
                        to="tenants.tenant",
                    ),
                ),
                ("source", models.CharField(max_length=30)),
                ("content", models.BinaryField(default=bytes)),
                ("size", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("tables", models.JSONField(default=dict)),
                ("obtained_at", models.DateTimeField(blank=True, null=True)),
                (
                    "submitted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("submitted_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("problem", models.CharField(blank=True, max_length=20)),
                ("problem_detail", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["-submitted_at", "-pk"],
                "indexes": [
                    models.Index(
                        fields=["tenant", "source", "-submitted_at"], name="export_timeline"
                    )
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200, unique=True)),
                ("queues", models.JSONField(default=list)),
                ("processes", models.PositiveIntegerField(default=1)),
                ("version", models.CharField(max_length=40)),
                ("clock_skew", models.FloatField(default=0)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["name"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Check",
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
                        related_name="checks",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ownership", "Ownership"),
                            ("spf", "SPF"),
                            ("dkim", "DKIM"),
                            ("dmarc", "DMARC"),
                            ("mta_sts", "MTA-STS"),
                            ("mx_ttl", "MX TTL"),
                            ("mx", "MX"),
                            ("smtp", "SMTP 25"),
                            ("ldaps", "LDAPS 636"),
                            ("lockdown", "Lockdown"),
                            ("message", "Message"),
                            ("delivery_message", "Received message"),
                            ("connection_filter", "Connection filter"),
                            ("inbound_connector", "Inbound connector"),
                            ("outbound_connector", "Outbound connector"),
                            ("enhanced_filtering", "Enhanced filtering"),
                            ("cloud_journaling", "Journaling of Exchange Online"),
                            ("accepted_domains", "Accepted domains"),
                            ("cloud_signing", "DKIM signing of Exchange Online"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "domain",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checks",
                        to="tenants.domain",
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checks",
                        to="tenants.host",
                    ),
                ),
                ("expectation", models.JSONField(default=dict)),
                ("vantage", models.CharField(default="default", max_length=40)),
                ("is_active", models.BooleanField(default=True)),
                ("next_due_at", models.DateTimeField(default=tenants.database_time.known_now)),
                (
                    "interval",
                    models.CharField(
                        choices=[
                            ("cutover", "cutover"),
                            ("requested", "requested"),
                            ("settling", "settling"),
                            ("unsettled", "unsettled"),
                            ("reopening", "reopening"),
                            ("idle", "idle"),
                            ("deferred", "deferred"),
                        ],
                        default="unsettled",
                        max_length=12,
                    ),
                ),
                ("requested_until", models.DateTimeField(blank=True, null=True)),
                ("viewed_until", models.DateTimeField(blank=True, null=True)),
                ("cutover_until", models.DateTimeField(blank=True, null=True)),
                ("claim_id", models.CharField(blank=True, max_length=32)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("unevaluated_since", models.DateTimeField(blank=True, null=True)),
                (
                    "settled_verdict",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("pass", "Pass"),
                            ("warn", "Warning"),
                            ("fail", "Fail"),
                            ("unknown", "No reliable answer"),
                            ("not_applicable", "Not applicable"),
                        ],
                        max_length=20,
                    ),
                ),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("contradicting_runs", models.PositiveIntegerField(default=0)),
                ("contradicted_since", models.DateTimeField(blank=True, null=True)),
                ("first_verified_at", models.DateTimeField(blank=True, null=True)),
                ("is_misconfigured", models.BooleanField(default=False)),
                ("signed_at", models.DateTimeField(blank=True, null=True)),
                ("signed_by_platform", models.JSONField(default=dict)),
                ("received_at", models.DateTimeField(blank=True, null=True)),
                ("facts_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_active", True)),
                        fields=["next_due_at"],
                        name="check_due",
                    ),
                    models.Index(fields=["tenant", "kind"], name="check_tenant_kind"),
                    models.Index(
                        condition=models.Q(("unevaluated_since__isnull", False)),
                        fields=["unevaluated_since"],
                        name="check_unevaluated",
                    ),
                    models.Index(
                        condition=models.Q(
                            ("is_active", True),
                            ("settled_verdict", "fail"),
                            models.Q(
                                ("first_verified_at__isnull", False),
                                ("is_misconfigured", True),
                                _connector="OR",
                            ),
                        ),
                        fields=["tenant"],
                        name="check_failing",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("domain__isnull", False), ("host__isnull", True)),
                            models.Q(("domain__isnull", True), ("host__isnull", False)),
                            _connector="OR",
                        ),
                        name="check_has_one_subject",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("domain__isnull", False)),
                        fields=("domain", "kind", "vantage"),
                        name="one_check_per_domain_and_kind",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("host__isnull", False)),
                        fields=("host", "kind", "vantage"),
                        name="one_check_per_host_and_kind",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Observation",
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
                    "check_asked",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="observations",
                        to="checks.check",
                    ),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("pass", "Pass"),
                            ("warn", "Warning"),
                            ("fail", "Fail"),
                            ("unknown", "No reliable answer"),
                            ("not_applicable", "Not applicable"),
                        ],
                        max_length=20,
                    ),
                ),
                ("unanimous", models.BooleanField(default=True)),
                ("findings", models.JSONField(default=list)),
                ("evidence", models.JSONField(default=dict)),
                ("digest", models.CharField(max_length=64)),
                ("expectation", models.JSONField(default=dict)),
                ("rules", models.CharField(blank=True, max_length=12)),
                (
                    "trigger",
                    models.CharField(
                        choices=[("run", "Run"), ("rules", "New rules")],
                        default="run",
                        max_length=10,
                    ),
                ),
                (
                    "raw",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="checks.rawanswers",
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("first_run_ended_at", models.DateTimeField(blank=True, null=True)),
                ("last_seen_at", models.DateTimeField()),
                ("runs", models.PositiveIntegerField(default=1)),
            ],
            options={
                "ordering": ["-first_seen_at", "-pk"],
                "indexes": [
                    models.Index(
                        fields=["check_asked", "-first_seen_at"], name="observation_timeline"
                    )
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="SubmittedMessage",
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
                    "check_asked",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="checks.check",
                    ),
                ),
                ("content", models.BinaryField(default=bytes)),
                ("size", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "sending_platform",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("cloud", "Exchange Online"),
                            ("on_premises", "Exchange on-premises"),
                        ],
                        max_length=20,
                    ),
                ),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                (
                    "submitted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("submitted_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("runs", models.PositiveIntegerField(default=0)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
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
            ],
            options={
                "ordering": ["-submitted_at", "-pk"],
                "indexes": [
                    models.Index(fields=["check_asked", "-submitted_at"], name="message_timeline")
                ],
                "constraints": [],
            },
        ),
        migrations.AddField(
            model_name="check",
            name="latest",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="checks.observation",
            ),
        ),
        migrations.RunPython(reserve_free_space, migrations.RunPython.noop),
        DropPatternIndexes("checks"),
    ]
