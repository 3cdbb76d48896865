"""Endpoints of all people of the installation, and of the roles of its staff."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.lifecycle import offboarding
from onboarding.portfolio.views import staff as pages
from tenants import people
from tenants.errors import CHOOSE_STAFF_ROLE
from tenants.forms import NewStaffForm, StaffForm
from tenants.models import User
from tenants.permissions import Permission
from tenants.queries import all_people, people_with_role_or_directory
from tenants.rest.problems import invalid
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.versions import check_precondition, etag_of_values
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.tasks import queue_welcome_email
from tenants.throttle import limit_of
from tenants.tokens import site_url

_ROLES = [choice for choice in User.StaffRole.choices if choice[0]]


class StaffSerializer(ResourceSerializer):
    expandable = frozenset({"tenants"})

    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    email = serializers.EmailField(read_only=True)
    staff_role = serializers.ChoiceField(
        choices=User.StaffRole.choices,
        allow_blank=True,
        read_only=True,
        help_text="Empty for the people of a client.",
    )
    is_active = serializers.BooleanField(read_only=True)
    followed_consultants = PersonSerializer(
        many=True, read_only=True, help_text="Of a manager; empty for all tenants."
    )
    tenants = serializers.SerializerMethodField(
        help_text="The ids of the tenants of which the person is a member."
    )

    def get_tenants(self, person: User) -> list[str]:
        return [each.tenant.public_id for each in person.memberships.all()]


class StaffInput(InputSerializer):
    name = serializers.CharField(max_length=100)
    email = serializers.CharField(max_length=254)
    role = serializers.ChoiceField(choices=_ROLES)


class StaffRoleInput(InputSerializer):
    role = serializers.ChoiceField(
        choices=_ROLES, error_messages={"invalid_choice": CHOOSE_STAFF_ROLE}
    )
    followed_consultants = serializers.ListField(
        child=serializers.CharField(max_length=32),
        required=False,
        max_length=500,
        help_text="The ids of the consultants that a manager follows; empty for all tenants.",
    )


class AccessInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class StaffFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    staff_role = django_filters.ChoiceFilter(choices=_ROLES)
    active = django_filters.BooleanFilter(field_name="is_active")
    name = django_filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = User
        fields: list[str] = []


class _StaffView(ApiView):
    tag = "Staff"
    serializer_class = StaffSerializer

    def rows(self) -> QuerySet[User]:
        return all_people()

    def load(self) -> User:
        return found_or_404(self.rows(), self.kwargs["staff_id"], "person")

    def require_role_version(self, person: User) -> None:
        check_precondition(self.request, _etag(person), lambda: self.represent(person))

    def answer(self) -> Response:
        person = self.load()
        response = self.one(person)
        response["ETag"] = _etag(person)
        return response


def _etag(person: User) -> str:
    """The version of the role. A sign-in does not change it."""
    followed = sorted(each.public_id for each in person.followed_consultants.all())
    return etag_of_values(person.public_id, person.staff_role, person.is_active, followed)


class StaffListView(_StaffView, ApiListView):
    permissions = {"GET": Permission.MANAGE_STAFF, "POST": Permission.MANAGE_STAFF}
    model = User
    filterset_class = StaffFilter
    inputs = {"POST": StaffInput}
    statuses = {"POST": 201}
    limits = {"POST": limit_of(pages.staff_add)}
    ordering = ("name",)
    ordering_fields = ("name", "email")

    def get(self, request: Request) -> Response:
        """All people of the installation. `staff_role` limits the list to staff."""
        return self.listed(self.rows())

    def post(self, request: Request) -> Response:
        """Add a member of staff, who receives a link to set a password."""
        form = NewStaffForm(self.validated(StaffInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        entry = form.cleaned_data
        person = people.add_staff(entry["name"], entry["email"], entry["role"], by=self.user)
        queue_welcome_email(person, site_url(self.http_request))
        return self.one(self.rows().get(pk=person.pk), status=201)


class StaffPersonView(_StaffView):
    permissions = {"GET": Permission.MANAGE_STAFF, "PATCH": Permission.MANAGE_STAFF}
    inputs = {"PATCH": StaffRoleInput}
    versioned = frozenset({"PATCH"})

    def get(self, request: Request, staff_id: str) -> Response:
        """One person of the installation, with the ETag of the role."""
        return self.answer()

    def patch(self, request: Request, staff_id: str) -> Response:
        """Change the role of a member of staff, and the consultants that a manager follows."""
        staff = self.rows().filter(pk__in=people_with_role_or_directory())
        person = found_or_404(staff, staff_id, "member of staff")
        self.require_role_version(person)
        form = StaffForm(self.validated(StaffRoleInput))
        if not form.is_valid():
            raise invalid(problem_of_forms(form).errors, detail=CHOOSE_STAFF_ROLE)
        people.change_staff(person, *form.role_and_followed(), by=self.user)
        return self.answer()


class StaffDeactivateView(_StaffView):
    permissions = {"POST": Permission.MANAGE_STAFF}
    inputs = {"POST": AccessInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, staff_id: str) -> Response:
        """Deactivate a person. The sessions end, and the share links are revoked."""
        person = self.load()
        self.require_role_version(person)
        self.validated(AccessInput)
        offboarding.deactivate_user(person, by=self.user)
        return self.answer()


class StaffActivateView(_StaffView):
    permissions = {"POST": Permission.MANAGE_STAFF}
    inputs = {"POST": AccessInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, staff_id: str) -> Response:
        """Let a deactivated person sign in again."""
        person = self.load()
        self.require_role_version(person)
        self.validated(AccessInput)
        people.activate(person, by=self.user)
        return self.answer()


_PERSON = "staff/<str:staff_id>"
urlpatterns = [
    path("staff/", StaffListView.as_view(), name="staff"),
    path(f"{_PERSON}/", StaffPersonView.as_view(), name="staff-person"),
    path(f"{_PERSON}/deactivate/", StaffDeactivateView.as_view(), name="staff-deactivate"),
    path(f"{_PERSON}/activate/", StaffActivateView.as_view(), name="staff-activate"),
]
