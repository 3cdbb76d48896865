"""The tables of a new database, in one migration instead of 27.

`tests/test_squashed_migrations.py` compares it with the migrations that it replaces.
"""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import tenants.database_time
import tenants.public_ids
from tenants import append_only, notification_trigger
from tenants.migration_operations import AddTrigramIndexes, DropPatternIndexes


def refuse_changes_of_activity(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.switch_on(schema_editor.connection)


def allow_changes_of_activity(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.switch_off(schema_editor.connection)


def notify_of_notifications(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    notification_trigger.switch_on(schema_editor.connection)


def end_notify(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    notification_trigger.switch_off(schema_editor.connection)


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("tenants", "0001_initial"),
        ("tenants", "0002_activity_append_only"),
        ("tenants", "0003_host_consent"),
        ("tenants", "0004_host_recipient"),
        ("tenants", "0005_tenant_completed"),
        ("tenants", "0006_subjects_taken_out"),
        ("tenants", "0007_rename_to_glossary"),
        ("tenants", "0008_glossary_options"),
        ("tenants", "0009_glossary_constraints"),
        ("tenants", "0010_proposed_values"),
        ("tenants", "0011_hash_of_tenant"),
        ("tenants", "0012_outbox"),
        ("tenants", "0013_search"),
        ("tenants", "0014_no_duplicate_indexes"),
        ("tenants", "0015_webhooks"),
        ("tenants", "0016_api_tokens"),
        ("tenants", "0017_pattern_indexes"),
        ("tenants", "0018_database_time_defaults"),
        ("tenants", "0019_imported_people"),
        ("tenants", "0020_scim_provisioning"),
        ("tenants", "0021_provider_grants"),
        ("tenants", "0022_scim_pattern_indexes"),
        ("tenants", "0023_notifications"),
        ("tenants", "0024_notification_pattern_indexes"),
        ("tenants", "0025_installation_setup"),
        ("tenants", "0026_setup_pattern_indexes"),
        ("tenants", "0027_setup_finished"),
    ]

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="ActivityChain",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("scope", models.CharField(max_length=32, unique=True)),
                ("length", models.PositiveIntegerField(default=0)),
                ("head", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="EventCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, unique=True)),
                ("number", models.PositiveBigIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
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
                ("email", models.EmailField(max_length=254, unique=True)),
                ("name", models.CharField(max_length=100)),
                (
                    "staff_role",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not staff"),
                            ("consultant", "Consultant"),
                            ("manager", "Manager"),
                            ("administrator", "Administrator"),
                        ],
                        default="",
                        max_length=20,
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("session_version", models.PositiveIntegerField(default=0)),
                (
                    "origin_id",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=32
                    ),
                ),
                (
                    "origin_email",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=254
                    ),
                ),
                (
                    "ended_tour",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, max_length=20
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
                (
                    "followed_consultants",
                    models.ManyToManyField(
                        blank=True, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "abstract": False,
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="MailTest",
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
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("requested_at", models.DateTimeField(default=tenants.database_time.known_now)),
                ("mail_settings", models.CharField(max_length=300)),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-requested_at", "-pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="ProviderGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provider_grant",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("refresh_token", models.TextField(editable=False)),
                (
                    "read_at",
                    models.DateTimeField(db_index=True, default=tenants.database_time.known_now),
                ),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="ProvisionedGroup",
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
                ("name", models.CharField(max_length=254, unique=True)),
                ("external_id", models.CharField(blank=True, max_length=254)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                (
                    "changed_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                (
                    "members",
                    models.ManyToManyField(
                        related_name="provisioned_groups", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="ProvisionedPerson",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provisioned",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("user_name", models.CharField(max_length=254)),
                ("attributes", models.JSONField(default=dict)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                (
                    "changed_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("removed_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at__isnull", True)),
                        fields=("user_name",),
                        name="one_person_per_user_name",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="ScimToken",
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
                ("token_hash", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="SetupDecision",
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
                            ("administrator", "First administrator"),
                            ("regions", "Region values reviewed"),
                            ("finished", "Setup finished"),
                        ],
                        max_length=20,
                        unique=True,
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=40)),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("decided_at", models.DateTimeField(default=tenants.database_time.known_now)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Tenant",
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
                ("name", models.CharField(max_length=100, unique=True)),
                ("account_code", models.CharField(blank=True, max_length=32)),
                ("region", models.CharField(max_length=16)),
                ("region_overrides", models.JSONField(blank=True, default=dict)),
                (
                    "platform",
                    models.CharField(
                        choices=[
                            ("microsoft_365", "Microsoft 365"),
                            ("google_workspace", "Google Workspace"),
                            ("on_premises", "On-premises"),
                            ("hybrid", "Hybrid"),
                            ("other", "Other"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "directory_method",
                    models.CharField(
                        choices=[
                            ("ldap", "LDAP"),
                            ("entra_id", "Entra ID (Azure AD)"),
                            ("google", "Google Workspace"),
                            ("mse_agent", "Mimecast Synchronization Engine (MSE)"),
                            ("manual", "Manual import"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "authentication",
                    models.CharField(
                        choices=[
                            ("sso", "Single sign-on (SAML)"),
                            ("directory", "Directory passwords"),
                            ("mimecast", "Mimecast cloud password"),
                        ],
                        default="sso",
                        max_length=20,
                    ),
                ),
                ("journaling", models.BooleanField(default=False)),
                ("products", models.JSONField(blank=True, default=list)),
                ("dkim_in_use", models.BooleanField(default=False)),
                ("rfi_used", models.BooleanField(default=False)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                (
                    "consultant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="led_tenants",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("is_sample", models.BooleanField(default=False)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("checks_held_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("completed_at__isnull", True),
                            ("closed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="completed_is_closed",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="ActivityLine",
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
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="activity",
                        to="tenants.tenant",
                    ),
                ),
                ("scope", models.CharField(max_length=32)),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("action", models.CharField(max_length=40)),
                ("params", models.JSONField(default=dict)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("agent", models.CharField(blank=True, max_length=200)),
                ("previous_hash", models.CharField(blank=True, max_length=64)),
                ("hash", models.CharField(max_length=64)),
                ("version", models.PositiveSmallIntegerField(db_default=1, default=1)),
            ],
            options={
                "ordering": ["-at", "-pk"],
                "indexes": [
                    models.Index(fields=["tenant", "-at"], name="tenants_act_tenant__71f6fa_idx")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("scope", "number"), name="one_line_per_number")
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
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
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("read", "Read"),
                            ("write", "Read and write"),
                            ("administer", "Administer"),
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
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                ("token_hash", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Domain",
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
                        related_name="domains",
                        to="tenants.tenant",
                    ),
                ),
                ("name", models.CharField(max_length=253)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("primary", "Primary"),
                            ("secondary", "Secondary"),
                            ("test", "Test"),
                            ("parked", "Parked"),
                            ("send_only", "Send-only"),
                            ("routing", "Routing (onmicrosoft)"),
                        ],
                        default="secondary",
                        max_length=10,
                    ),
                ),
                ("ownership_token", models.CharField(blank=True, max_length=128)),
                ("ownership_label", models.CharField(blank=True, max_length=63)),
                ("dkim_selectors", models.CharField(blank=True, max_length=2000)),
                ("proposals", models.JSONField(blank=True, default=dict, editable=False)),
                ("original_mx_ttl_seconds", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("removed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "removed_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "name"), name="domain_once_per_tenant"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at__isnull", True), ("role", "primary")),
                        fields=("tenant",),
                        name="one_primary_domain_per_tenant",
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="ErasurePermit",
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
                        on_delete=django.db.models.deletion.CASCADE, to="tenants.tenant"
                    ),
                ),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Host",
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
                        related_name="hosts",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[("delivery", "Delivery route"), ("directory", "Directory host")],
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(max_length=253)),
                ("port", models.PositiveIntegerField()),
                ("consented_at", models.DateTimeField(blank=True, null=True)),
                (
                    "consented_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("recipient", models.EmailField(blank=True, max_length=254)),
                ("proposed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "proposed_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("confirmed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("rejection_reason", models.CharField(blank=True, editable=False, max_length=300)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("removed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "removed_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "purpose", "name", "port"), name="host_once_per_tenant"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("port__gte", 1), ("port__lte", 65535)),
                        name="host_port_in_range",
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="IdempotentRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.CharField(max_length=64)),
                ("status", models.PositiveSmallIntegerField(default=0)),
                ("body", models.JSONField(null=True)),
                ("headers", models.JSONField(default=dict)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_index=True, default=tenants.database_time.known_now, editable=False
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "key"), name="one_response_per_idempotency_key"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
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
                        related_name="invitations",
                        to="tenants.tenant",
                    ),
                ),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("member", "Member"), ("viewer", "Viewer")],
                        max_length=10,
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="invitations_made",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "token_hash",
                    models.CharField(editable=False, max_length=64, null=True, unique=True),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("accepted_at__isnull", True), ("revoked_at__isnull", True)
                        ),
                        fields=("tenant", "email"),
                        name="one_pending_invitation_per_address",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("accepted_at__isnull", True),
                            ("revoked_at__isnull", True),
                            _connector="OR",
                        ),
                        name="invitation_accepted_or_revoked",
                    ),
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Membership",
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
                        related_name="memberships",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("member", "Member"), ("viewer", "Viewer")],
                        default="member",
                        max_length=10,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user"), name="one_membership_per_tenant"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Notification",
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
                    "recipient",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("mention", "Mention"),
                            ("question", "Question"),
                            ("answer", "Answer"),
                            ("vote", "Vote"),
                            ("decision", "Decision"),
                            ("reminder", "Waiting tasks"),
                            ("regressed", "Regressed proof"),
                            ("drift", "Drift"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("params", models.JSONField(default=dict)),
                ("source", models.CharField(max_length=120)),
                ("is_internal", models.BooleanField(default=False)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("email_id", models.CharField(blank=True, max_length=32)),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "indexes": [
                    models.Index(
                        fields=["recipient", "-created_at"], name="notification_of_person"
                    ),
                    models.Index(
                        condition=models.Q(("read_at", None)),
                        fields=["recipient"],
                        name="notification_unread",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("recipient", "source"), name="one_notification_per_source"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxMessage",
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
                ("kind", models.CharField(max_length=40)),
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
                ("recipient", models.EmailField(blank=True, max_length=254)),
                ("payload", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
                ("not_before", models.DateTimeField()),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("claim_id", models.CharField(blank=True, max_length=32)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=100)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["not_before", "pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at", None), ("sent_at", None)),
                        fields=["not_before"],
                        name="outbox_waiting",
                    )
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Webhook",
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
                        related_name="webhooks",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("target", models.TextField()),
                ("target_host", models.CharField(max_length=253)),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("json", "JSON"),
                            ("slack", "Slack"),
                            ("teams", "Microsoft Teams"),
                        ],
                        default="json",
                        max_length=10,
                    ),
                ),
                ("events", models.JSONField(default=list)),
                ("secret", models.TextField()),
                ("previous_secret", models.TextField(blank=True)),
                ("previous_secret_until", models.DateTimeField(blank=True, null=True)),
                ("site", models.CharField(blank=True, max_length=300)),
                (
                    "created_at",
                    models.DateTimeField(default=tenants.database_time.known_now, editable=False),
                ),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                (
                    "pause_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not paused"),
                            ("person", "Paused by a person"),
                            ("failing", "No delivery succeeded for a day"),
                            ("gone", "The target answered 410 Gone"),
                            ("owner", "The owner may no longer manage it"),
                        ],
                        max_length=10,
                    ),
                ),
                ("succeeded_at", models.DateTimeField(blank=True, null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("resting_until", models.DateTimeField(blank=True, null=True)),
                ("claim_id", models.CharField(blank=True, max_length=32)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                ("queued_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["name", "pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("pause_reason", ""), ("paused_at__isnull", True)),
                            models.Q(
                                ("paused_at__isnull", False),
                                models.Q(("pause_reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="paused_webhook_has_reason",
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="ErasableAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "line",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasable_address",
                        to="tenants.activityline",
                    ),
                ),
                ("address", models.CharField(max_length=254)),
                ("salt", models.CharField(max_length=64)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="WebhookMessage",
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
                    "webhook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="tenants.webhook",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhook_messages",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("verdict.settled", "Verdict settled"),
                            ("task.changed", "Task changed"),
                            ("waiting_side.changed", "Waiting side changed"),
                            ("cutover.changed", "Cutover changed"),
                            ("cutover.decided", "Cutover decided"),
                            ("drift.began", "Drift began"),
                            ("drift.ended", "Drift ended"),
                            ("implementation.closed", "Implementation closed"),
                            ("webhook.test", "Test"),
                        ],
                        max_length=40,
                    ),
                ),
                ("payload", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("first_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "waiting")),
                        fields=["webhook", "tenant"],
                        name="webhook_message_waiting",
                    ),
                    models.Index(fields=["created_at"], name="webhook_message_created"),
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="tenants.webhookmessage",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("milliseconds", models.PositiveIntegerField()),
                ("status_code", models.PositiveIntegerField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=120)),
                ("response", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["-at", "-pk"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.RunPython(refuse_changes_of_activity, allow_changes_of_activity),
        migrations.RunPython(notify_of_notifications, end_notify),
        AddTrigramIndexes(
            {
                "tenants_tenant": ["name"],
                "tenants_domain": ["name"],
                "tenants_host": ["name"],
                "tenants_user": ["name", "email"],
            }
        ),
        DropPatternIndexes("tenants"),
    ]
