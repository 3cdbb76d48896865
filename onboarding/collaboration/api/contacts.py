"""Endpoints of the client's contacts."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.collaboration import contacts
from onboarding.collaboration.forms import ContactForm
from onboarding.error_responses import problem_of_forms
from onboarding.models import Contact
from tenants.permissions import Permission
from tenants.rest.filters import MomentFilter
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class ContactSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    role = serializers.ChoiceField(choices=Contact.Role.choices, read_only=True)
    name = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True)
    phone = serializers.CharField(read_only=True)
    availability = serializers.CharField(read_only=True)
    changed_at = serializers.DateTimeField(read_only=True)


class ContactChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    role = serializers.ChoiceField(required=False, choices=Contact.Role.choices)
    name = serializers.CharField(required=False, max_length=100)
    email = serializers.CharField(required=False, allow_blank=True, max_length=254)
    phone = serializers.CharField(required=False, allow_blank=True, max_length=40)
    availability = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ContactInput(ContactChangeInput):
    role = serializers.ChoiceField(choices=Contact.Role.choices)
    name = serializers.CharField(max_length=100)


class ContactFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    changed_since = MomentFilter(field_name="changed_at", lookup_expr="gte")

    class Meta:
        model = Contact
        fields: list[str] = []


class _ContactsView(ApiView):
    tag = "Contacts"
    serializer_class = ContactSerializer

    def rows(self) -> QuerySet[Contact]:
        return contacts.contacts_of(self.tenant).select_related("tenant__plan")

    def save(self, contact: Contact, values: dict[str, Any], *, expected: str) -> Contact:
        """Validate by the form of the page, and store."""
        stored = {name: getattr(contact, name) for name in ContactForm.Meta.fields}
        form = ContactForm(stored | values, instance=contact)
        if not form.is_valid():
            raise problem_of_forms(form)
        contacts.save_contact(form.save(commit=False), by=self.user, expected_version=expected)
        return contact


class ContactListView(_ContactsView, ApiListView):
    permissions = {"GET": Permission.VIEW_PEOPLE, "POST": Permission.EDIT_CONTACTS}
    model = Contact
    filterset_class = ContactFilter
    inputs = {"POST": ContactInput}
    statuses = {"POST": 201}
    ordering = ("name",)
    ordering_fields = ("name", "changed_at")

    def get(self, request: Request, public_id: str) -> Response:
        """The client's contacts."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Add a contact."""
        values = self.validated(ContactInput)
        contact = self.save(Contact(tenant=self.tenant), values, expected="")
        return self.one(contact, status=201, version=contact)


class ContactView(_ContactsView):
    permissions = {
        "GET": Permission.VIEW_PEOPLE,
        "PATCH": Permission.EDIT_CONTACTS,
        "DELETE": Permission.EDIT_CONTACTS,
    }
    inputs = {"PATCH": ContactChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self) -> Contact:
        return found_or_404(self.rows(), self.kwargs["contact_id"], "contact")

    def get(self, request: Request, public_id: str, contact_id: str) -> Response:
        """One contact, with its ETag."""
        contact = self.load()
        return self.one(contact, version=contact)

    def patch(self, request: Request, public_id: str, contact_id: str) -> Response:
        """Change a contact."""
        contact = self.load()
        self.require_version(contact)
        expected = contacts.fingerprint(contact)
        self.save(contact, self.validated(ContactChangeInput), expected=expected)
        return self.one(contact, version=contact)

    def delete(self, request: Request, public_id: str, contact_id: str) -> Response:
        """Remove a contact."""
        contact = self.load()
        self.require_version(contact)
        contacts.remove_contact(contact, by=self.user)
        return Response(status=204)


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("contacts/", ContactListView.as_view(), name="contacts"),
    path("contacts/<str:contact_id>/", ContactView.as_view(), name="contact"),
]
