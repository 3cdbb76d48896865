"""Creates the tenant of a verified archive in one transaction: all of it, or nothing."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import Model

from checks.submitted_messages import NEVER_DUE
from onboarding.collaboration import file_store
from onboarding.lifecycle.archive.format import ArchiveError
from onboarding.lifecycle.archive.tables import (
    CONTENTS,
    PEOPLE,
    STORED_FILES,
    TABLE_OF_NAME,
    TEMPLATE,
    ArchiveTable,
)
from onboarding.lifecycle.archive.validation import VerifiedRow, verified_rows
from onboarding.lifecycle.archive.writer import template_digest
from onboarding.models import PlanTemplate
from onboarding.plan_templates.content import as_content
from onboarding.plan_templates.registry import next_version, template_version_of
from tenants import database_time
from tenants.activity import lock_installation_chain, register_logs
from tenants.activity_names import ActivityName
from tenants.models import ActivityChain, Tenant, User
from tenants.public_ids import new_public_id
from tenants.services import write_activity

_BATCH = 500
NAME_TAKEN = (
    "A tenant with the name “{name}” exists. Rename it, or erase it, and import the archive again."
)
IMPORTED_ALREADY = (
    "This tenant is already in this installation. Erase it before you import the archive again."
)
_EXISTS = (
    "A row of the archive exists in this installation, or contradicts another row of the archive."
    " Nothing was imported."
)


def why_not_import(public_id: str, name: str) -> str:
    """Why this tenant cannot be imported now; empty when it can."""
    if Tenant.objects.filter(public_id=public_id).exists():
        return IMPORTED_ALREADY
    if ActivityChain.objects.filter(scope=public_id).exists():
        return IMPORTED_ALREADY
    return NAME_TAKEN.format(name=name) if Tenant.objects.filter(name=name).exists() else ""


def _refuse_known(public_id: str, name: str) -> None:
    if refusal := why_not_import(public_id, name):
        raise ArchiveError(refusal)


def import_archive(file: BinaryIO, *, sha256: str, by: User | None) -> Tenant:
    """Create the tenant of the archive. `sha256` is that of the whole file, for the logs.

    1. Everybody in the archive becomes a person without access. No account of this installation is
       changed, and none becomes the author of an imported row.
    2. An open tenant arrives closed. No check runs before `start_checks` or a reopening.
    3. The activity log continues with the line of the import. The earlier lines are unchanged.

    Raises ArchiveError; then nothing is stored.
    """
    run = _Import(database_time.now())
    try:
        with transaction.atomic(), ExitStack() as files:
            run.files = files
            for row in verified_rows(file):
                if row.table == "tenant":
                    _refuse_known(row.values["public_id"], row.values["name"])
                run.add(row)
            run.finish()
            run.log(sha256, by)
    except IntegrityError as error:
        run.discard_files()
        raise ArchiveError(_EXISTS) from error
    except BaseException:
        run.discard_files()
        raise
    return run.tenant


@dataclass
class _Import:
    """The rows of one import that are not stored yet, and the primary keys of those that are."""

    now: datetime
    files: ExitStack = field(default_factory=ExitStack)
    tenant: Tenant = field(default_factory=Tenant)
    template_id: int = 0
    plan_id: int = 0
    ids: dict[str, dict[str, int]] = field(default_factory=dict)
    _table: str = ""
    _rows: list[VerifiedRow] = field(default_factory=list)
    # References to later rows: table, column, primary key, key.
    _late: list[tuple[str, str, int, str]] = field(default_factory=list)
    _paths: dict[tuple[str, str], str] = field(default_factory=dict)
    _written: list[str] = field(default_factory=list)
    _open: Any = None
    _lines: int = 0
    _head: str = ""

    def add(self, row: VerifiedRow) -> None:
        """Store the row, or collect it for the next statement."""
        if row.table == CONTENTS:
            self._flush()
            self._write(row)
            return
        if row.table != self._table or len(self._rows) == _BATCH:
            self._flush()
        self._table = row.table
        self._rows.append(row)

    def finish(self) -> None:
        """Store the last rows and the references to later rows."""
        self._flush()
        columns: dict[tuple[str, str], list[Model]] = {}
        for table, name, pk, key in self._late:
            other = TABLE_OF_NAME[table].references[name].name
            target = self.ids[other][key]
            instance = TABLE_OF_NAME[table].model(pk=pk, **{f"{name}_id": target})
            columns.setdefault((table, name), []).append(instance)
        for (table, name), instances in columns.items():
            rows = TABLE_OF_NAME[table].model._base_manager
            rows.bulk_update(instances, [name], batch_size=_BATCH)

    def log(self, sha256: str, by: User | None) -> None:
        """Continue the log of the tenant, and register it in the log of the installation."""
        ActivityChain.objects.create(
            scope=self.tenant.public_id, length=self._lines, head=self._head
        )
        facts = {"archive": sha256, "lines": self._lines, "head": self._head}
        action = ActivityName.TENANT_IMPORTED
        write_activity(self.tenant, action, by=by, name=self.tenant.name, **facts)
        lock_installation_chain()
        imported = {"imported": self.tenant.public_id, "name": self.tenant.name}
        write_activity(None, action, by=by, **imported, **facts)
        register_logs([self.tenant.public_id])

    def discard_files(self) -> None:
        for place in self._written:
            file_store.discard(place)

    # --- Rows

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        name = rows[0].table
        if name == PEOPLE:
            self._add_people(rows)
        elif name == TEMPLATE:
            self.template_id = _template_for(rows[0].values["content"]).pk
        else:
            self._insert(TABLE_OF_NAME[name], rows)

    def _add_people(self, rows: list[VerifiedRow]) -> None:
        made = [_person(row) for row in rows]
        User.objects.bulk_create(made)
        self.ids.setdefault(PEOPLE, {}).update({each.origin_id: each.pk for each in made})

    def _insert(self, table: ArchiveTable, rows: list[VerifiedRow]) -> None:
        made = [self._instance(table, row) for row in rows]
        table.model._base_manager.bulk_create(made, batch_size=_BATCH)
        for instance, row in zip(made, rows, strict=True):
            if table.key:
                key = str(row.values[table.key])
                self.ids.setdefault(table.name, {})[key] = instance.pk
            for name in table.late:
                if (target := row.references[name]) is not None:
                    self._late.append((table.name, name, instance.pk, target))
        for name in table.many:
            self._relate(table, name, made, rows)
        self._notice(table, made)

    def _notice(self, table: ArchiveTable, made: list[Any]) -> None:
        """The single rows to which others refer, and the newest line of the log."""
        if table.name == "tenant":
            self.tenant = made[0]
        elif table.name == "plan":
            self.plan_id = made[0].pk
        elif table.name == "activity":
            self._lines, self._head = made[-1].number, made[-1].hash

    def _instance(self, table: ArchiveTable, row: VerifiedRow) -> Model:
        values = dict(row.values)
        for name, other in table.references.items():
            key = row.references[name]
            if key is not None and name not in table.late:
                values[f"{name}_id"] = self.ids[other.name][key]
        for name, key in row.people.items():
            values[f"{name}_id"] = self.ids[PEOPLE][key] if key is not None else None
        implied = {"tenant_id": self.tenant.pk, "plan_id": self.plan_id}
        known = {each.attname for each in table.model._meta.concrete_fields}
        values |= {name: value for name, value in implied.items() if name in known}
        return table.model(**values | self._values_of_import(table, values))

    def _values_of_import(self, table: ArchiveTable, values: dict[str, Any]) -> dict[str, Any]:
        """The columns that are not archived and need another value than their default."""
        if table.name == "tenant":
            closed = values["closed_at"] or self.now
            return {"checks_paused_at": self.now, "closed_at": closed}
        if table.name == "plan":
            return {"template_id": self.template_id}
        if table.name == "checks":
            return {"next_due_at": NEVER_DUE}
        if table.name in ("discoveries", "tls_partner_checks"):
            return {"requested_at": values["checked_at"]}
        if table.name == "activity":
            return {"scope": self.tenant.public_id}
        if table.name in STORED_FILES:
            place = file_store.new_storage_path()
            self._paths[table.name, values["public_id"]] = place
            return {"stored_as": place}
        return {}

    def _relate(
        self, table: ArchiveTable, name: str, made: list[Model], rows: list[VerifiedRow]
    ) -> None:
        relation: Any = table.model._meta.get_field(name)
        through = relation.remote_field.through
        source, target = relation.m2m_column_name(), relation.m2m_reverse_name()
        ids = self.ids.get(PEOPLE if relation.related_model is User else "tasks", {})
        through._base_manager.bulk_create(
            [
                through(**{source: instance.pk, target: ids[key]})
                for instance, row in zip(made, rows, strict=True)
                for key in row.many[name]
            ],
            batch_size=_BATCH,
        )

    # --- Files

    def _write(self, row: VerifiedRow) -> None:
        """Append a part. The files are complete on the disk before the transaction commits."""
        if self._open is None:
            place = self._paths[row.values["table"], row.values["file"]]
            one = self.files.enter_context(ExitStack())
            path = one.enter_context(file_store.writing(place))
            self._open = (one, one.enter_context(path.open("wb")), place)
        one, file, place = self._open
        file.write(row.data)
        if row.is_last:
            one.close()
            self._open = None
            self._written.append(place)
            file_store.publish_on_commit(place)


def _person(row: VerifiedRow) -> User:
    """A person without access: inactive, without a password, at an address that gets no mail."""
    public_id = new_public_id()
    is_mimecast = row.values["side"] == "mimecast"
    return User(
        public_id=public_id,
        email=f"{public_id.lower()}@imported.invalid",
        name=row.values["name"],
        password=make_password(None),
        staff_role=User.StaffRole.CONSULTANT if is_mimecast else User.StaffRole.NONE,
        is_active=False,
        origin_id=row.values["id"],
        origin_email=row.values["email"],
    )


def _template_for(content: dict[str, Any]) -> PlanTemplate:
    """The stored version with this content, or another one, which is never that of new plans."""
    wanted = template_digest(content)
    for stored in PlanTemplate.objects.order_by("version").iterator(chunk_size=10):
        if template_digest(as_content(template_version_of(stored))) == wanted:
            return stored
    version = next_version()
    return PlanTemplate.objects.create(
        version=version,
        content={**content, "version": version},
        note="Imported with the archive of a tenant.",
        is_imported=True,
    )


def digest_of_file(file: BinaryIO) -> str:
    """SHA-256 as hex of all bytes from the present position."""
    found = hashlib.sha256()
    for part in iter(lambda: file.read(2**20), b""):
        found.update(part)
    return found.hexdigest()
