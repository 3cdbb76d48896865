"""Sample proposals of clients, for the tests of services, connections and pages."""

from __future__ import annotations

import pytest

from checks.engine.outcomes import CheckKind
from checks.expectations import sync_checks
from checks.models import Check
from onboarding.lifecycle.proposals import (
    ProposalEntry,
    add_host,
    enter_values,
    state_of,
)
from tenants.models import Domain, Tenant, User
from tenants.proposals import ProposalKind, proposal_of
from tests.factories import MakeTenant

CODE = "0ed1fe018a3f2b9c5e7a1d4e8f9b0c1d2e3f4a5b6d"
OWNERSHIP, DKIM = ProposalKind.OWNERSHIP, ProposalKind.DKIM
LABEL = "proposed by Member Person, not confirmed yet"


@pytest.fixture
def bare(tenant: Tenant) -> Tenant:
    """A tenant whose domain has no confirmed value."""
    tenant.domains.update(ownership_token="", ownership_label="", dkim_selectors="")
    sync_checks(tenant)
    return tenant


def domain_of(tenant: Tenant) -> Domain:
    return tenant.domains.get()


def propose(
    tenant: Tenant,
    by: User,
    kind: ProposalKind = OWNERSHIP,
    *,
    is_change: bool = False,
    **values: str,
) -> Domain:
    domain = domain_of(tenant)
    typed = dict.fromkeys(kind.fields, "") | (values or {kind.fields[0]: CODE})
    entry = ProposalEntry(typed, state_of(domain, kind), is_change)
    enter_values(domain, kind, entry, by=by, decides=False)
    return domain_of(tenant)


def expected_of(domain: Domain, kind: ProposalKind = OWNERSHIP) -> str:
    proposal = proposal_of(domain, kind)
    assert proposal is not None
    return proposal.fingerprint


def check_of(tenant: Tenant, kind: CheckKind) -> Check:
    return Check.objects.get(tenant=tenant, kind=kind, is_active=True)


@pytest.fixture
def attacked(make_tenant: MakeTenant, member: User) -> Tenant:
    """The client proposed the code of a domain, published it, and proposed a host below it."""
    tenant = make_tenant("Attacked", domains=(("victim.test", "primary"),), platform="on_premises")
    tenant.domains.update(ownership_token="")
    sync_checks(tenant)
    propose(tenant, member)
    Check.objects.filter(tenant=tenant, kind=CheckKind.OWNERSHIP).update(settled_verdict="pass")
    add_host(tenant, name="mail.victim.test", port=25, by=member, decides=False)
    return tenant
