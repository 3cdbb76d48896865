"""Endpoints of one tenant: profile, domains and hosts. The portfolio has the list of tenants."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from checks.api import ZoneNoteSerializer
from checks.engine.zone_domains import MAX_CHARACTERS
from onboarding.cutovers.api.reasons import REASON_QUERY, reason_in
from onboarding.lifecycle import profile_form_data
from onboarding.lifecycle.profile_form_data import ProfileChange
from onboarding.lifecycle.zone_import import UnreadableZone, domains_to_add
from onboarding.plans.serializers import PlanSerializer
from tenants.errors import TenantError
from tenants.models import (
    Authentication,
    DirectoryMethod,
    Domain,
    Host,
    Platform,
    Tenant,
    User,
)
from tenants.permissions import Permission
from tenants.rest.problems import invalid
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class DomainSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True, help_text="As lower-case A-labels.")
    role = serializers.ChoiceField(choices=Domain.Role.choices, read_only=True)
    ownership_token = serializers.CharField(read_only=True)
    ownership_label = serializers.CharField(read_only=True)
    dkim_selectors = serializers.CharField(read_only=True)
    original_mx_ttl_seconds = serializers.IntegerField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)


class HostSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    purpose = serializers.ChoiceField(choices=Host.Purpose.choices, read_only=True)
    name = serializers.CharField(read_only=True)
    port = serializers.IntegerField(read_only=True)
    recipient = serializers.CharField(read_only=True)
    consented_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="The client agreed to connections to the host."
    )
    is_proposed = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class TenantSerializer(ResourceSerializer):
    expandable = frozenset({"plan", "domains"})

    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    region = serializers.CharField(read_only=True)
    consultant = PersonSerializer(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    closed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    completed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    plan = PlanSerializer(read_only=True)
    domains = DomainSerializer(source="domains.all", many=True, read_only=True)


class ProfileSerializer(ResourceSerializer):
    """The values that decide which tasks apply. Clients' people do not see the page of them."""

    name = serializers.CharField(read_only=True)
    account_code = serializers.CharField(read_only=True)
    region = serializers.CharField(read_only=True)
    platform = serializers.ChoiceField(choices=Platform.choices, read_only=True)
    directory_method = serializers.ChoiceField(choices=DirectoryMethod.choices, read_only=True)
    authentication = serializers.ChoiceField(choices=Authentication.choices, read_only=True)
    products = serializers.ListField(child=serializers.CharField(), read_only=True)
    journaling = serializers.BooleanField(read_only=True)
    dkim_in_use = serializers.BooleanField(read_only=True)
    rfi_used = serializers.BooleanField(read_only=True)
    time_zone = serializers.CharField(read_only=True)
    consultant = PersonSerializer(read_only=True, allow_null=True)


class ProfileInput(InputSerializer):
    """A missing value remains unchanged."""

    name = serializers.CharField(required=False, max_length=100)
    account_code = serializers.CharField(required=False, allow_blank=True, max_length=32)
    region = serializers.CharField(required=False, allow_blank=True, max_length=16)
    platform = serializers.ChoiceField(required=False, choices=Platform.choices)
    directory_method = serializers.ChoiceField(required=False, choices=DirectoryMethod.choices)
    authentication = serializers.ChoiceField(required=False, choices=Authentication.choices)
    products = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, max_length=50
    )
    journaling = serializers.BooleanField(required=False)
    dkim_in_use = serializers.BooleanField(required=False)
    rfi_used = serializers.BooleanField(required=False)
    time_zone = serializers.CharField(required=False, max_length=64)
    consultant = serializers.CharField(
        required=False, allow_null=True, max_length=32, help_text="The id of a consultant."
    )


class DomainChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    role = serializers.ChoiceField(required=False, choices=Domain.Role.choices)
    ownership_token = serializers.CharField(required=False, allow_blank=True, max_length=128)
    ownership_label = serializers.CharField(required=False, allow_blank=True, max_length=63)
    dkim_selectors = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    original_mx_ttl_seconds = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=2**31 - 1
    )


class DomainInput(DomainChangeInput):
    name = serializers.CharField(max_length=2000)
    role = serializers.ChoiceField(choices=Domain.Role.choices)


class HostChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    recipient = serializers.CharField(required=False, allow_blank=True, max_length=254)
    consent = serializers.BooleanField(
        required=False, help_text="The client agrees that Gangway connects to the host."
    )


class HostInput(HostChangeInput):
    purpose = serializers.ChoiceField(choices=Host.Purpose.choices)
    name = serializers.CharField(max_length=2000)
    port = serializers.IntegerField(min_value=1, max_value=65535)


class TenantInput(ProfileInput):
    name = serializers.CharField(max_length=100)
    platform = serializers.ChoiceField(choices=Platform.choices)
    directory_method = serializers.ChoiceField(choices=DirectoryMethod.choices)
    domains = serializers.ListField(child=DomainInput(), allow_empty=False, max_length=200)
    hosts = serializers.ListField(child=HostInput(), required=False, max_length=200)


def consultant_from(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the primary key of the consultant, which the form expects.

    The form rejects 0, the key of an unknown person, with its own sentence.
    """
    wanted = values.get("consultant")
    if not wanted:
        return values
    person = User.objects.filter(public_id=wanted).first()
    return values | {"consultant": person.pk if person is not None else 0}


class TenantView(ApiView):
    tag = "Tenants"
    permissions = {"GET": Permission.VIEW}
    serializer_class = TenantSerializer

    def get(self, request: Request, public_id: str) -> Response:
        """One tenant."""
        return self.one(self.tenant)


class ProfileView(ApiView):
    tag = "Tenants"
    permissions = {"GET": Permission.EDIT_PROFILE, "PATCH": Permission.EDIT_PROFILE}
    serializer_class = ProfileSerializer
    inputs = {"PATCH": ProfileInput}
    versioned = frozenset({"PATCH"})

    def get(self, request: Request, public_id: str) -> Response:
        """The profile of a tenant, with its ETag."""
        return self.one(self.tenant, version=self.tenant)

    def patch(self, request: Request, public_id: str) -> Response:
        """Change the profile. The plan and its checks follow it."""
        tenant = Tenant.objects.select_related("consultant", "plan").get(pk=self.tenant.pk)
        self.require_version(tenant)
        values = consultant_from(self.validated(ProfileInput))
        profile_form_data.save(tenant, ProfileChange(profile=values), by=self.user)
        tenant.refresh_from_db()
        return self.one(tenant, version=tenant)


class _SubjectView(ApiView):
    """The common part of the endpoints of domains and hosts."""

    def change(self, change: ProfileChange) -> None:
        tenant = Tenant.objects.select_related("consultant", "plan").get(pk=self.tenant.pk)
        profile_form_data.save(tenant, change, by=self.user)


class DomainListView(_SubjectView, ApiListView):
    tag = "Domains"
    permissions = {"GET": Permission.VIEW, "POST": Permission.EDIT_PROFILE}
    serializer_class = DomainSerializer
    model = Domain
    inputs = {"POST": DomainInput}
    statuses = {"POST": 201}
    ordering = ("created_at",)
    ordering_fields = ("created_at", "name")

    def rows(self) -> QuerySet[Domain]:
        return Domain.objects.filter(tenant=self.tenant)

    def get(self, request: Request, public_id: str) -> Response:
        """The domains of a tenant."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Add a domain. Its checks start at once."""
        values, known = self.validated(DomainInput), set(self.rows().values_list("pk", flat=True))
        self.change(ProfileChange(new_domains=[values]))
        domain = self.rows().exclude(pk__in=known).get()
        return self.one(domain, status=201, version=domain)


class ZoneFileInput(InputSerializer):
    zone = serializers.CharField(
        max_length=MAX_CHARACTERS, trim_whitespace=False, help_text="The text of the zone file."
    )
    origin = serializers.CharField(max_length=2000, help_text="The name of the zone.")


class FoundDomainSerializer(ResourceSerializer):
    name = serializers.CharField(read_only=True)
    role = serializers.ChoiceField(
        choices=Domain.Role.choices, read_only=True, help_text="The suggested role."
    )


class FoundDomainsSerializer(ResourceSerializer):
    domains = FoundDomainSerializer(many=True, read_only=True)
    unread_lines = serializers.ListField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="The lines with $INCLUDE or $GENERATE, whose records are missing.",
    )
    notes = ZoneNoteSerializer(
        many=True,
        read_only=True,
        help_text="Lines that the file probably does not mean as they are read.",
    )


class ZoneFileView(ApiView):
    tag = "Domains"
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": ZoneFileInput}
    outputs = {"POST": FoundDomainsSerializer}

    def post(self, request: Request, public_id: str) -> Response:
        """The mail domains of a zone file that the tenant does not have. Nothing is saved."""
        values = self.validated(ZoneFileInput)
        try:
            found = domains_to_add(self.tenant, values["zone"], values["origin"])
        except UnreadableZone as error:
            raise invalid({"zone": [str(error)]}) from None
        except TenantError as error:
            raise invalid({"origin": [str(error)]}) from None
        domains = [{"name": each.name, "role": each.role} for each in found.domains]
        notes = [{"code": n.code, "lines": n.lines, "names": n.names} for n in found.notes]
        return Response({"domains": domains, "unread_lines": found.unread_lines, "notes": notes})


class DomainView(_SubjectView):
    tag = "Domains"
    permissions = {
        "GET": Permission.VIEW,
        "PATCH": Permission.EDIT_PROFILE,
        "DELETE": Permission.EDIT_PROFILE,
    }
    serializer_class = DomainSerializer
    inputs = {"PATCH": DomainChangeInput}
    delete_descriptions = REASON_QUERY
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self) -> Domain:
        rows = Domain.objects.filter(tenant=self.tenant)
        return found_or_404(rows, self.kwargs["domain_id"], "domain")

    def get(self, request: Request, public_id: str, domain_id: str) -> Response:
        """One domain, with its ETag."""
        domain = self.load()
        return self.one(domain, version=domain)

    def patch(self, request: Request, public_id: str, domain_id: str) -> Response:
        """Change a domain. A name cannot change: remove the domain and add another."""
        domain = self.load()
        self.require_version(domain)
        self.change(ProfileChange(changed={domain: self.validated(DomainChangeInput)}))
        domain.refresh_from_db()
        return self.one(domain, version=domain)

    def delete(self, request: Request, public_id: str, domain_id: str) -> Response:
        """Remove a domain.

        A domain with evidence remains stored with its history. One without evidence is deleted.
        """
        domain = self.load()
        self.require_version(domain)
        self.change(ProfileChange(removed=domain, reason=reason_in(request)))
        return Response(status=204)


class HostListView(_SubjectView, ApiListView):
    tag = "Hosts"
    permissions = {"GET": Permission.VIEW, "POST": Permission.EDIT_PROFILE}
    serializer_class = HostSerializer
    model = Host
    inputs = {"POST": HostInput}
    statuses = {"POST": 201}
    ordering = ("created_at",)
    ordering_fields = ("created_at", "name")

    def rows(self) -> QuerySet[Host]:
        return Host.objects.filter(tenant=self.tenant)

    def get(self, request: Request, public_id: str) -> Response:
        """The mail and directory hosts of a tenant."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Add a host."""
        values, known = self.validated(HostInput), set(self.rows().values_list("pk", flat=True))
        self.change(ProfileChange(new_hosts=[values]))
        host = self.rows().exclude(pk__in=known).get()
        return self.one(host, status=201, version=host)


class HostView(_SubjectView):
    tag = "Hosts"
    permissions = {
        "GET": Permission.VIEW,
        "PATCH": Permission.EDIT_PROFILE,
        "DELETE": Permission.EDIT_PROFILE,
    }
    serializer_class = HostSerializer
    inputs = {"PATCH": HostChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self) -> Host:
        rows = Host.objects.filter(tenant=self.tenant)
        return found_or_404(rows, self.kwargs["host_id"], "host")

    def get(self, request: Request, public_id: str, host_id: str) -> Response:
        """One host, with its ETag."""
        host = self.load()
        return self.one(host, version=host)

    def patch(self, request: Request, public_id: str, host_id: str) -> Response:
        """Change the test recipient of a host, or the client's consent to connections."""
        host = self.load()
        self.require_version(host)
        self.change(ProfileChange(changed={host: self.validated(HostChangeInput)}))
        host.refresh_from_db()
        return self.one(host, version=host)

    def delete(self, request: Request, public_id: str, host_id: str) -> Response:
        """Remove a host."""
        host = self.load()
        self.require_version(host)
        self.change(ProfileChange(removed=host))
        return Response(status=204)


# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("", TenantView.as_view(), name="tenant"),
    path("profile/", ProfileView.as_view(), name="profile"),
    path("domains/", DomainListView.as_view(), name="domains"),
    path("zone-file/", ZoneFileView.as_view(), name="zone-file"),
    path("domains/<str:domain_id>/", DomainView.as_view(), name="domain"),
    path("hosts/", HostListView.as_view(), name="hosts"),
    path("hosts/<str:host_id>/", HostView.as_view(), name="host"),
]
