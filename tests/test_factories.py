"""The copies of new tenants have the same rows as a tenant that the service created."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import DateTimeField, Field
from django.utils import timezone

from tenants.models import Tenant, User
from tests.factories import DEFAULTS, HostRow, MakeTenant, create_by_service

DOMAINS = (("northwind.test", "primary"), ("shop.test", "secondary"))
HOSTS = (HostRow("delivery", "mail.northwind.test", 25),)
APPS = ("tenants", "checks", "onboarding")


def stored_rows() -> dict[str, list[dict[str, Any]]]:
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for label in APPS
        for model in apps.get_app_config(label).get_models()
    }


def _has_own_value(field: Field[Any, Any]) -> bool:
    """Whether every tenant has its own value: an identifier, a time, or a hash of these."""
    return (
        bool(field.primary_key or field.remote_field)
        or isinstance(field, DateTimeField)
        or field.name in ("public_id", "scope", "head", "hash")
        or field is Tenant._meta.get_field("name")
    )


def comparable(model_name: str, row: dict[str, Any]) -> dict[str, object]:
    if row.get("key") == "company" and row.get("source") == "profile":
        # The prefilled name of the tenant.
        row = row | {"values": None, "text": None}
    model = next(m for m in apps.get_models() if m.__name__ == model_name)
    return {
        field.name: value is None if _has_own_value(field) else value
        for field in model._meta.concrete_fields
        for value in [row[field.attname]]
    }


def new_rows(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[dict[str, object]]]:
    return {
        name: [comparable(name, row) for row in rows[len(before[name]) :]]
        for name, rows in after.items()
    }


def test_copy_equals_created_tenant(make_tenant: MakeTenant) -> None:
    make_tenant("Earlier", domains=DOMAINS, hosts=HOSTS)
    empty = stored_rows()
    create_by_service(DEFAULTS | {"name": "One"}, DOMAINS, HOSTS)
    by_service = stored_rows()
    copy = make_tenant("Two", domains=DOMAINS, hosts=HOSTS)
    copied = stored_rows()

    assert new_rows(by_service, copied) == new_rows(empty, by_service)
    assert copy.plan.tasks.filter(parent__plan=copy.plan).count() > 0
    assert {task.plan_id for task in copy.plan.tasks.all()} == {copy.plan.pk}
    assert copy.created_at <= timezone.now()


def test_copy_with_consultant_equals_created_tenant(
    make_tenant: MakeTenant, consultant: User, manager: User
) -> None:
    make_tenant("Earlier", consultant=manager)
    empty = stored_rows()
    values = DEFAULTS | {"name": "One", "consultant": consultant}
    create_by_service(values, (("northwind.test", "primary"),))
    by_service = stored_rows()
    copy = make_tenant("Two", consultant=consultant)
    copied = stored_rows()

    assert new_rows(by_service, copied) == new_rows(empty, by_service)
    assert (copy.consultant, make_tenant("Three").consultant) == (consultant, None)


def test_copies_have_their_own_identifiers(make_tenant: MakeTenant) -> None:
    tenants = [make_tenant(name) for name in ("One", "Two", "Three")]

    public_ids = {
        row["public_id"] for rows in stored_rows().values() for row in rows if "public_id" in row
    }
    tasks = sum(tenant.plan.tasks.count() for tenant in tenants)
    assert len({tenant.plan.pk for tenant in tenants}) == 3
    assert len(public_ids) > tasks
