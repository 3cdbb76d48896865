"""Endpoints of the people of a tenant and of its invitations."""

from __future__ import annotations

from django.db.models import F, QuerySet
from django.http import Http404
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.lifecycle import offboarding
from onboarding.lifecycle.views import people as pages
from tenants import invitations, people
from tenants.errors import CHOOSE_ROLE
from tenants.forms import InviteForm
from tenants.models import Invitation, Membership
from tenants.permissions import Permission
from tenants.queries import members_of, pending_invitations
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404
from tenants.tasks import queue_invitation
from tenants.throttle import limit_of
from tenants.tokens import site_url


class MemberSerializer(ResourceSerializer):
    id = serializers.CharField(source="user.public_id", read_only=True)
    name = serializers.CharField(source="user.name", read_only=True)
    email = serializers.EmailField(source="user.email", read_only=True)
    role = serializers.ChoiceField(choices=Membership.Role.choices, read_only=True)
    is_active = serializers.BooleanField(source="user.is_active", read_only=True)


class RoleInput(InputSerializer):
    role = serializers.ChoiceField(
        choices=Membership.Role.choices,
        error_messages={"invalid_choice": CHOOSE_ROLE},
    )


class InvitationSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    email = serializers.EmailField(read_only=True)
    role = serializers.ChoiceField(choices=Membership.Role.choices, read_only=True)
    invited_by = PersonSerializer(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    sent_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null until the e-mail is sent."
    )
    expires_at = serializers.DateTimeField(read_only=True)


class InvitationInput(InputSerializer):
    email = serializers.CharField(max_length=254)
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class ResendInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class _MembersView(ApiView):
    tag = "People"
    serializer_class = MemberSerializer

    def rows(self) -> QuerySet[Membership]:
        # A cursor needs the order as an attribute of the row.
        return members_of(self.tenant).annotate(name=F("user__name"))


class MemberListView(_MembersView, ApiListView):
    permissions = {"GET": Permission.VIEW_PEOPLE}
    model = Membership
    ordering = ("name",)
    ordering_fields = ("name",)
    tie_break = "pk"

    def get(self, request: Request, public_id: str) -> Response:
        """The client's people who have an account, with their roles."""
        return self.listed(self.rows())


class MemberView(_MembersView):
    permissions = {
        "GET": Permission.VIEW_PEOPLE,
        "PATCH": Permission.MANAGE_PEOPLE,
        "DELETE": Permission.MANAGE_PEOPLE,
    }
    inputs = {"PATCH": RoleInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self) -> Membership:
        found = self.rows().filter(user__public_id=self.kwargs["person_id"]).first()
        if found is None:
            raise Http404("No such person.")
        return found

    def get(self, request: Request, public_id: str, person_id: str) -> Response:
        """One person of the client, with the ETag of the role."""
        member = self.load()
        return self.one(member, version=member)

    def patch(self, request: Request, public_id: str, person_id: str) -> Response:
        """Change the role of a person in the tenant."""
        member = self.load()
        self.require_version(member)
        people.change_role(member, self.validated(RoleInput)["role"], by=self.user)
        changed = self.load()
        return self.one(changed, version=changed)

    def delete(self, request: Request, public_id: str, person_id: str) -> Response:
        """Remove a person from the tenant.

        The sessions end, and the person's invitations and share links are revoked.
        """
        member = self.load()
        self.require_version(member)
        offboarding.remove_membership(member, by=self.user)
        return Response(status=204)


class _InvitationsView(ApiView):
    tag = "People"
    serializer_class = InvitationSerializer

    def rows(self) -> QuerySet[Invitation]:
        return Invitation.objects.filter(tenant=self.tenant).select_related("tenant", "invited_by")

    def load(self) -> Invitation:
        return found_or_404(self.rows(), self.kwargs["invitation_id"], "invitation")

    def send(self, invitation: Invitation) -> None:
        queue_invitation(invitation, site_url(self.http_request))


class InvitationListView(_InvitationsView, ApiListView):
    permissions = {"GET": Permission.MANAGE_PEOPLE, "POST": Permission.INVITE}
    model = Invitation
    inputs = {"POST": InvitationInput}
    statuses = {"POST": 201}
    limits = {"POST": limit_of(pages.invite)}
    ordering = ("-created_at",)
    ordering_fields = ("created_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The pending invitations, newest first. An expired one can be sent again."""
        return self.listed(pending_invitations(self.tenant))

    def post(self, request: Request, public_id: str) -> Response:
        """Invite a person by e-mail. The link is in the e-mail alone."""
        form = InviteForm(self.validated(InvitationInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        invitation = invitations.invite(self.tenant, **form.cleaned_data, by=self.user)
        self.send(invitation)
        return self.one(invitation, status=201)


class InvitationView(_InvitationsView):
    permissions = {"GET": Permission.MANAGE_PEOPLE, "DELETE": Permission.MANAGE_PEOPLE}
    statuses = {"DELETE": 204}

    def get(self, request: Request, public_id: str, invitation_id: str) -> Response:
        """One invitation."""
        return self.one(self.load())

    def delete(self, request: Request, public_id: str, invitation_id: str) -> Response:
        """Revoke a pending invitation."""
        invitations.revoke(self.load(), by=self.user)
        return Response(status=204)


class InvitationResendView(_InvitationsView):
    permissions = {"POST": Permission.INVITE}
    inputs = {"POST": ResendInput}
    limits = {"POST": limit_of(pages.invitation_resend)}

    def post(self, request: Request, public_id: str, invitation_id: str) -> Response:
        """Send an invitation again, with a new link. The old link no longer works."""
        invitation = self.load()
        self.validated(ResendInput)
        invitations.renew(invitation, by=self.user)
        self.send(invitation)
        return self.one(self.load())


_INVITATION = "invitations/<str:invitation_id>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("people/", MemberListView.as_view(), name="people"),
    path("people/<str:person_id>/", MemberView.as_view(), name="person"),
    path("invitations/", InvitationListView.as_view(), name="invitations"),
    path(f"{_INVITATION}/", InvitationView.as_view(), name="invitation"),
    path(f"{_INVITATION}/resend/", InvitationResendView.as_view(), name="invitation-resend"),
]
