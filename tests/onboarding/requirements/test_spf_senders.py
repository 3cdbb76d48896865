"""Tests of the senders in SPF records, and of the limit of Mimecast's SPF bypass."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from checks.dns_discovery import request_discovery
from checks.models import Check, Discovery, Observation
from checks.queries import SpfSize, spf_sizes
from onboarding.models import RequirementsSheet, SheetRow
from onboarding.requirements.queries import sender_suggestions
from tenants.models import Tenant, User
from tests.factories import SignIn
from tests.onboarding.requirements.sheet_rows import add, sheet_of, values
from tests.onboarding.requirements.test_pages import url


def node(term: str, *children: dict[str, Any], cost: int = 0, **more: Any) -> dict[str, Any]:
    """A term of the tree in the evidence of an SPF check."""
    lookups = cost + sum(child["lookups"] for child in children)
    return {"term": term, "cost": cost, "lookups": lookups, "children": list(children)} | more


def includes(term: str, lookups: int) -> dict[str, Any]:
    """An include whose record has this number of lookups, each by a term."""
    return node(term, *(node(f"a:h{n}.test", cost=1) for n in range(lookups)), cost=1)


def observe(tenant: Tenant, *terms: dict[str, Any]) -> None:
    now = timezone.now()
    check = Check.objects.get(tenant=tenant, kind="spf")
    check.latest = Observation.objects.create(
        check_asked=check,
        verdict="fail",
        evidence={"tree": node("northwind.test", *terms)},
        digest="0" * 64,
        first_seen_at=now,
        last_seen_at=now,
    )
    check.save()


@pytest.fixture
def sheet(tenant: Tenant) -> RequirementsSheet:
    return sheet_of(tenant, "spoofing-exceptions")


def suggested(sheet: RequirementsSheet) -> list[tuple[str, str]]:
    return [(each.sender.term, each.sender.name) for each in sender_suggestions(sheet)]


def test_newest_check_counts_before_the_scan(tenant: Tenant, sheet: RequirementsSheet) -> None:
    discovery = request_discovery(tenant.domains.get())
    found = {"senders": [{"term": "include:old.test", "name": ""}]}
    Discovery.objects.filter(pk=discovery.pk).update(found=found)
    assert suggested(sheet) == [("include:old.test", "")]

    observe(
        tenant,
        includes("include:servers.mcsv.net", 1),
        includes("include:us._netblocks.mimecast.com", 0),
        node("+ip4:8.8.4.0/24"),
        includes("~include:soft.test", 0),
        node("-all"),
    )

    (first, name), second = suggested(sheet)
    assert (first, bool(name)) == ("include:servers.mcsv.net", True)
    assert second == ("+ip4:8.8.4.0/24", "")


def test_all_senders_are_added_with_their_source(
    tenant: Tenant, owner: User, signed_in: SignIn, sheet: RequirementsSheet
) -> None:
    observe(
        tenant,
        includes("include:news.example", 1),
        node("ip4:8.8.4.0/24"),
        node("ip4:8.8.4.0/24"),
        node("ip4:16.0.0.0/4"),
        node("mx", cost=1),
    )
    client, address = signed_in(owner), url(sheet, "requirements-suggestion-use")

    added = client.post(address, {"suggestion": ""}, follow=True).content.decode()
    again = client.post(address, {"suggestion": ""}, follow=True).content.decode()

    assert "2 senders were added" in added
    assert "no longer exists" in again
    assert [row[1:3] for row in values(sheet)] == [
        ["SPF", "news.example"],
        ["address", "8.8.4.0/24"],
    ]
    assert set(SheetRow.objects.filter(sheet=sheet).values_list("source", flat=True)) == {"dns"}
    assert "From DNS" in added


@pytest.mark.parametrize(("lookups", "is_warned"), [(10, False), (11, True)])
def test_row_beyond_limit_of_bypass_is_warned(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    sheet: RequirementsSheet,
    lookups: int,
    is_warned: bool,
) -> None:
    observe(tenant, includes("include:news.example", lookups))
    client = signed_in(owner)
    suggestion = client.get(url(sheet)).content.decode()
    add(sheet, owner, service="News", method="SPF", source="news.example")
    add(sheet, owner, service="Unknown", method="SPF", source="elsewhere.example")

    page = client.get(url(sheet)).content.decode()

    warning = f"The SPF record of news.example has {lookups} terms and needs {lookups} DNS lookups"
    assert (warning in suggestion, warning in page) == (is_warned, is_warned)
    assert "The SPF record of elsewhere.example" not in page


def test_many_terms_without_lookups_are_warned(
    tenant: Tenant, owner: User, signed_in: SignIn, sheet: RequirementsSheet
) -> None:
    observe(tenant, *(node(f"ip4:8.8.{n}.0/24") for n in range(11)))
    add(sheet, owner, service="Own", method="SPF", source="northwind.test")

    page = signed_in(owner).get(url(sheet)).content.decode()

    assert "northwind.test has 11 terms and needs 0 DNS lookups" in page


def test_size_of_incomplete_record_is_unknown() -> None:
    broken = includes("include:broken.test", 2) | {"problem": "lookup-failed: timeout"}
    long = includes("redirect=long.test.", 1) | {"terms_not_shown": 20}
    tree = node("northwind.test", broken, node("include:outer.test", long, cost=1))

    sizes = spf_sizes({"northwind.test": tree})

    assert "broken.test" not in sizes
    assert sizes["long.test"] == SpfSize(terms=21, lookups=1)
    assert sizes["outer.test"] == SpfSize(terms=1, lookups=2)
    assert sizes["northwind.test"] == SpfSize(terms=2, lookups=6)
