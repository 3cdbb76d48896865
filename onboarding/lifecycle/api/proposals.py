"""Endpoints of the values of a console: entering them, and the decision on proposed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.error_responses import problem_of_forms
from onboarding.lifecycle import proposals
from onboarding.lifecycle.api.tenants import HostSerializer
from onboarding.lifecycle.delivery_hosts import confirm_delivery_host, proposed_delivery_host
from onboarding.lifecycle.forms.delivery_host import DeliveryHostForm
from onboarding.lifecycle.forms.proposals import (
    LONGEST_REASON,
    HostProposalForm,
    RejectionForm,
    ValuesForm,
)
from onboarding.lifecycle.views import proposals as pages
from tenants.models import Domain, Host
from tenants.permissions import Permission
from tenants.proposals import Proposal, ProposalKind, confirmed_values, proposal_of, rejection_of
from tenants.rest.problems import invalid
from tenants.rest.serializers import InputSerializer, ResourceSerializer
from tenants.rest.versions import check_precondition
from tenants.rest.views import ApiView, found_or_404
from tenants.throttle import limit_of

_LONGEST_VALUE = 2000


@dataclass(frozen=True)
class DomainValue:
    """The values of one kind of a domain. `state` changes with each of them."""

    kind: ProposalKind
    confirmed: dict[str, str]
    proposed: Proposal | None
    rejected: Proposal | None
    state: str

    @classmethod
    def of(cls, domain: Domain, kind: ProposalKind) -> DomainValue:
        return cls(
            kind,
            confirmed_values(domain, kind),
            proposal_of(domain, kind),
            rejection_of(domain, kind),
            proposals.state_of(domain, kind),
        )


class ProposalSerializer(ResourceSerializer):
    values = serializers.DictField(child=serializers.CharField(), read_only=True)
    by = serializers.CharField(read_only=True, help_text="The name of the person who proposed it.")
    at = serializers.DateTimeField(read_only=True, allow_null=True)
    reason = serializers.CharField(
        read_only=True, help_text="The reason of a rejection; empty without one."
    )


class DomainValueSerializer(ResourceSerializer):
    kind = serializers.ChoiceField(
        choices=[(kind.value, kind.label) for kind in ProposalKind], read_only=True
    )
    confirmed = serializers.DictField(
        child=serializers.CharField(), read_only=True, help_text="By field; empty until confirmed."
    )
    proposed = ProposalSerializer(read_only=True, allow_null=True)
    rejected = ProposalSerializer(read_only=True, allow_null=True)


class DomainValueInput(InputSerializer):
    values = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=_LONGEST_VALUE),
        help_text="By field: ownership_token and ownership_label, or dkim_selectors.",
    )
    is_change = serializers.BooleanField(
        required=False, help_text="A client proposes a change of the confirmed value."
    )


class DecisionInput(InputSerializer):
    """No field: the body is empty or an empty object."""


class RejectionInput(InputSerializer):
    reason = serializers.CharField(max_length=LONGEST_REASON)


class _ValuesView(ApiView):
    """The values of one kind of a domain. Their version is the state that the page compares."""

    tag = "Proposals"
    serializer_class = DomainValueSerializer
    path_choices = {"kind": [kind.value for kind in ProposalKind]}

    @property
    def decides(self) -> bool:
        return self.access.may(Permission.EDIT_PROFILE)

    def load(self) -> tuple[Domain, ProposalKind]:
        domain = found_or_404(
            Domain.objects.filter(tenant=self.tenant), self.kwargs["domain_id"], "domain"
        )
        known = {kind.value: kind for kind in ProposalKind}
        if self.kwargs["kind"] not in known:
            raise Http404("No such value.")
        return domain, known[self.kwargs["kind"]]

    def expected(self, domain: Domain, kind: ProposalKind) -> str:
        """The state that If-Match names. Raises 428 or 412."""
        value = DomainValue.of(domain, kind)
        check_precondition(self.request, _etag(value), lambda: self.represent(value))
        return value.state

    def answer(self) -> Response:
        value = DomainValue.of(*self.load())
        response = self.one(value)
        response["ETag"] = _etag(value)
        return response


def _etag(value: DomainValue) -> str:
    return f'"{value.state}"'


class DomainValueView(_ValuesView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.CONFIRM}
    inputs = {"POST": DomainValueInput}
    versioned = frozenset({"POST"})
    limits = {"POST": limit_of(pages.domain_value_enter)}

    def get(self, request: Request, public_id: str, domain_id: str, kind: str) -> Response:
        """The confirmed and the proposed values of one kind, with their ETag."""
        return self.answer()

    def post(self, request: Request, public_id: str, domain_id: str, kind: str) -> Response:
        """Enter the values of a console.

        With the permission to edit the profile the values are confirmed. Otherwise they are a
        proposal, and empty values withdraw it.
        """
        domain, wanted = self.load()
        expected = self.expected(domain, wanted)
        entered = self.validated(DomainValueInput)
        unknown = sorted(set(entered["values"]) - set(wanted.fields))
        if unknown:
            raise invalid({f"values.{name}": ["Unknown field."] for name in unknown})
        data: dict[str, Any] = {**entered["values"], "expected": expected}
        if entered.get("is_change"):
            data["is_change"] = "on"
        form = ValuesForm(data, domain=domain, kind=wanted, decides=self.decides)
        if not form.is_valid():
            raise problem_of_forms(form)
        proposals.enter_values(domain, wanted, form.entry(), by=self.user, decides=self.decides)
        return self.answer()


class DomainValueConfirmView(_ValuesView):
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": DecisionInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, domain_id: str, kind: str) -> Response:
        """Confirm the proposed values."""
        domain, wanted = self.load()
        self.expected(domain, wanted)
        self.validated(DecisionInput)
        expected = _fingerprint(domain, wanted)
        proposals.confirm_values(domain, wanted, by=self.user, expected=expected)
        return self.answer()


class DomainValueRejectView(_ValuesView):
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": RejectionInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, domain_id: str, kind: str) -> Response:
        """Reject the proposed values with a reason, which the client reads."""
        domain, wanted = self.load()
        self.expected(domain, wanted)
        proposals.reject_values(
            domain,
            wanted,
            by=self.user,
            expected=_fingerprint(domain, wanted),
            reason=_reason(self),
        )
        return self.answer()


def _fingerprint(domain: Domain, kind: ProposalKind) -> str:
    proposal = proposal_of(domain, kind)
    return proposal.fingerprint if proposal is not None else ""


def _reason(view: ApiView) -> str:
    form = RejectionForm(view.validated(RejectionInput))
    if not form.is_valid():
        raise problem_of_forms(form)
    return str(form.cleaned_data["reason"])


class ProposedHostInput(InputSerializer):
    name = serializers.CharField(max_length=2000)
    port = serializers.IntegerField(min_value=1, max_value=65535, required=False, default=25)


class HostConsentInput(InputSerializer):
    consent = serializers.BooleanField(
        required=False, help_text="The client agrees that Gangway connects to the host."
    )


class DeliveryHostInput(InputSerializer):
    name = serializers.CharField(max_length=2000)
    recipient = serializers.CharField(required=False, allow_blank=True, max_length=254)
    consent = serializers.BooleanField(
        required=False,
        help_text="The client agrees that Gangway connects to the host. Only with the permission to"
        " edit the profile.",
    )


class DeliveryHostSerializer(ResourceSerializer):
    """The proposal of Gangway for hosted mailboxes. Each value is null without one."""

    domain = serializers.CharField(read_only=True, allow_null=True, default=None)
    name = serializers.CharField(read_only=True, allow_null=True, default=None)
    port = serializers.IntegerField(read_only=True, allow_null=True, default=None)
    recipient = serializers.CharField(read_only=True, allow_null=True, default=None)
    is_from_dns = serializers.BooleanField(
        read_only=True, allow_null=True, default=None, help_text="The domain's MX names the host."
    )


class _HostsView(ApiView):
    tag = "Proposals"
    serializer_class: type[ResourceSerializer] = HostSerializer

    @property
    def decides(self) -> bool:
        return self.access.may(Permission.EDIT_PROFILE)

    def rows(self) -> QuerySet[Host]:
        return Host.objects.filter(tenant=self.tenant).select_related("proposed_by")

    def load(self) -> Host:
        return found_or_404(self.rows(), self.kwargs["host_id"], "host")

    def added(self, host: Host) -> Response:
        stored = self.rows().get(pk=host.pk)
        return Response(self.answer_of(HostSerializer, stored), status=201)


class ProposedHostView(_HostsView):
    permissions = {"POST": Permission.CONFIRM}
    inputs = {"POST": ProposedHostInput}
    statuses = {"POST": 201}
    limits = {"POST": limit_of(pages.host_enter)}

    def post(self, request: Request, public_id: str) -> Response:
        """Enter a delivery host.

        With the permission to edit the profile the host is confirmed. Otherwise it is a proposal.
        """
        form = HostProposalForm(self.validated(ProposedHostInput))
        if not form.is_valid():
            raise problem_of_forms(form)
        host = proposals.add_host(
            self.tenant,
            name=form.cleaned_data["name"],
            port=form.cleaned_data["port"],
            by=self.user,
            decides=self.decides,
        )
        return self.added(host)


class HostConfirmView(_HostsView):
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": HostConsentInput}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, host_id: str) -> Response:
        """Confirm a proposed host, and the client's consent to connections if you have it."""
        host = self.load()
        self.require_version(host)
        has_consent = bool(self.validated(HostConsentInput).get("consent"))
        proposals.confirm_host(host, by=self.user, with_consent=has_consent)
        confirmed = self.load()
        return self.one(confirmed, version=confirmed)


class HostRejectView(_HostsView):
    permissions = {"POST": Permission.EDIT_PROFILE}
    inputs = {"POST": RejectionInput}
    statuses = {"POST": 204}
    versioned = frozenset({"POST"})

    def post(self, request: Request, public_id: str, host_id: str) -> Response:
        """Reject a proposed host with a reason, which the client reads. The host is removed."""
        host = self.load()
        self.require_version(host)
        proposals.reject_host(host, by=self.user, reason=_reason(self))
        return Response(status=204)


class DeliveryHostView(_HostsView):
    permissions = {"GET": Permission.CONFIRM, "POST": Permission.CONFIRM}
    serializer_class = DeliveryHostSerializer
    inputs = {"POST": DeliveryHostInput}
    outputs = {"POST": HostSerializer}
    statuses = {"POST": 201}

    def get(self, request: Request, public_id: str) -> Response:
        """The proposed delivery host of hosted mailboxes, from DNS or by the platform's rule."""
        tenant = self.tenant
        proposal = proposed_delivery_host(
            tenant, list(tenant.domains.all()), list(tenant.hosts.all())
        )
        return self.one(proposal if proposal is not None else {})

    def post(self, request: Request, public_id: str) -> Response:
        """Confirm the delivery host of hosted mailboxes, or name another one.

        Without the permission to edit the profile, the host is a proposal.
        """
        values = self.validated(DeliveryHostInput)
        if "consent" in values and not self.decides:
            raise invalid({"consent": ["Unknown field."]})
        domains = list(self.tenant.domains.values_list("name", flat=True))
        form = DeliveryHostForm(values, may_consent=self.decides, domains=domains)
        if not form.is_valid():
            raise problem_of_forms(form)
        host = confirm_delivery_host(
            self.tenant,
            form.cleaned_data["name"],
            recipient=form.cleaned_data["recipient"],
            has_consent=form.has_consent,
            decides=self.decides,
            by=self.user,
        )
        return self.added(host)


_VALUE = "domains/<str:domain_id>/values/<str:kind>"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path(f"{_VALUE}/", DomainValueView.as_view(), name="domain-value"),
    path(f"{_VALUE}/confirm/", DomainValueConfirmView.as_view(), name="domain-value-confirm"),
    path(f"{_VALUE}/reject/", DomainValueRejectView.as_view(), name="domain-value-reject"),
    path("proposed-hosts/", ProposedHostView.as_view(), name="proposed-hosts"),
    path("hosts/<str:host_id>/confirm/", HostConfirmView.as_view(), name="host-confirm"),
    path("hosts/<str:host_id>/reject/", HostRejectView.as_view(), name="host-reject"),
    path("delivery-host/", DeliveryHostView.as_view(), name="delivery-host"),
]
