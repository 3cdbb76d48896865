"""The records of the admin. All are read-only, except the values of REPAIRS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import display_for_field, quote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Field, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from onboarding.repairs.site import kind_of, site
from tenants import people
from tenants.activity_names import ActivityName
from tenants.models import OutboxMessage, User
from tenants.queries import people_with_role_or_directory
from tenants.services import write_activity

_OUR_APPS = ("tenants", "checks", "onboarding")
# Credentials, and contents that can contain one. The admin never shows them.
_HIDDEN = ("hash", "secret", "password", "token", "payload", "stored_as", "permissions", "groups")
_LONGEST_TEXT = 2000
# Times near the years 1 and 9999 have no equivalent in every time zone.
_FIRST_YEAR, _LAST_YEAR = 2000, 2999


@dataclass(frozen=True)
class Repair:
    """The values of a record that can change, and the service that changes and logs them.

    `covers` is whether the repair exists for this record.
    """

    fields: tuple[str, ...]
    covers: Callable[[Any], bool]
    apply: Callable[[Any, Mapping[str, Any], User], None]


def _is_colleague(person: User) -> bool:
    """The people of a client are invited again: the audit log must not contain their addresses."""
    return people_with_role_or_directory().filter(pk=person.pk).exists()


def _rename(person: User, values: Mapping[str, Any], by: User) -> None:
    people.rename(person, email=str(values["email"]).lower(), name=values["name"], by=by)


def _is_waiting(message: OutboxMessage) -> bool:
    return message.sent_at is None and message.ended_at is None


def _reschedule(message: OutboxMessage, values: Mapping[str, Any], by: User) -> None:
    rows = OutboxMessage.objects.filter(pk=message.pk, sent_at=None, ended_at=None)
    if rows.update(not_before=values["not_before"]):
        write_activity(
            None,
            ActivityName.RECORD_REPAIRED,
            by=by,
            record=f"outbox message {message.public_id}",
            before={"not_before": message.not_before.isoformat()},
            after={"not_before": values["not_before"].isoformat()},
        )


# docs/reference/repairs.md has the reason of each. Evidence, activity lines and every other record
# have none: their services and database triggers protect them.
REPAIRS: Mapping[type[Model], Repair] = {
    User: Repair(("name", "email"), _is_colleague, _rename),
    OutboxMessage: Repair(("not_before",), _is_waiting, _reschedule),
}


class RecordList(ChangeList):
    """A list whose links contain the public id."""

    def url_for_result(self, result: Any) -> str:
        return reverse("admin:record", args=[kind_of(self.model), result.public_id])

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The address, the text and the public id of each record of the page."""
        return [(self.url_for_result(each), str(each), each.public_id) for each in self.result_list]


class RepairForm(forms.ModelForm[Any]):
    """The values of a repair, as the services expect them."""

    def clean_email(self) -> str:
        """In lower case, as all addresses are: the comparison with other people needs it."""
        return str(self.cleaned_data["email"]).lower()

    def clean_not_before(self) -> datetime:
        value: datetime = self.cleaned_data["not_before"]
        if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            raise ValidationError(f"Enter a year from {_FIRST_YEAR} to {_LAST_YEAR}.")
        return value


class RecordAdmin(ModelAdmin):  # type: ignore[type-arg]  # one class for all models
    """The records of one model, without additions and deletions."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    change_list_template = "repairs/record_list.html"
    change_form_template = "repairs/record_show.html"
    formfield_overrides: ClassVar[Any] = {}

    @property
    def repairable(self) -> tuple[str, ...]:
        repair = REPAIRS.get(self.model)
        return repair.fields if repair is not None else ()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        repair = REPAIRS.get(self.model)
        return repair is not None and obj is not None and repair.covers(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Also removed domains and hosts, which the default manager leaves out."""
        rows: QuerySet[Any] = self.model._base_manager.order_by("-pk")
        return rows

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        return self.get_queryset(request).filter(public_id=object_id).first()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RecordList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """No filter by an address: `?password__startswith=` would read hidden columns."""
        return False

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        columns = {each.name for each in self.model._meta.concrete_fields}
        return [name for name in ("public_id", "name", "email") if name in columns]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.repairable) if self.has_change_permission(request, obj) else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        """A form with the values of the repair, and plain inputs: no script is needed."""
        fields = self.get_fields(request, obj)
        return forms.modelform_factory(self.model, form=RepairForm, fields=fields)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        record = self.get_object(request, object_id)
        if record is None:
            raise Http404("No such record.")
        # The base class decodes the id, and would change one that contains `_3A`.
        values = {"values": _values_of(record)}
        return super().change_view(request, quote(object_id), form_url, values)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, "The record is repaired.")
        return redirect(request.path)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Call the service of the repair with the record as it is stored now."""
        assert isinstance(request.user, User), "the site requires a person"
        repair = REPAIRS[self.model]
        rows = self.model._base_manager.select_for_update(no_key=True)
        with transaction.atomic():
            stored = rows.get(pk=obj.pk)
            if repair.covers(stored):
                repair.apply(stored, form.cleaned_data, request.user)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The service has written the activity line. The log of the admin does not exist."""
        return None


def _values_of(record: Model) -> list[tuple[str, str]]:
    """The names and the texts of all columns, without credentials."""
    columns = [each for each in record._meta.concrete_fields if not _is_hidden(each)]
    return [(str(each.verbose_name), _text_of(record, each)) for each in columns]


def _is_hidden(column: Field[Any, Any]) -> bool:
    return any(part in column.name for part in _HIDDEN) or column.primary_key


def _text_of(record: Model, column: Field[Any, Any]) -> str:
    if column.is_relation:
        return str(getattr(record, column.name) or "")
    value = getattr(record, column.attname)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(display_for_field(value, column, ""))[:_LONGEST_TEXT]


def register_all() -> None:
    """Register every model of our apps that has a public id."""
    for model in apps.get_models():
        has_id = any(each.name == "public_id" for each in model._meta.concrete_fields)
        if model._meta.app_label in _OUR_APPS and has_id and not site.is_registered(model):
            site.register(model, RecordAdmin)
