"""The home page of a closed implementation."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.lifecycle import offboarding
from onboarding.models import AcceptedResidualRisk, ClosingPack
from tenants.models import Tenant, User
from tests.clock import Clock
from tests.closings import closed_implementation
from tests.factories import RunCheck, SignIn
from tests.markup import texts

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Any, settings: Any) -> None:
    settings.FILES_DIR = tmp_path / "files"


@pytest.fixture
def completed(tenant: Tenant, owner: User, consultant: User, run_check: RunCheck) -> Tenant:
    for minute in (1, 2, 3):
        run_check(tenant, CheckKind.MX, Verdict.PASS, minutes=minute)
    return closed_implementation(tenant, owner, consultant)


def _home(tenant: Tenant, person: User, signed_in: SignIn) -> str:
    address = reverse("onboarding:my-tasks", args=[tenant.public_id])
    return str(signed_in(person).get(address).content.decode())


def test_client_lands_on_the_closed_home(completed: Tenant, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)

    html = client.get(reverse("onboarding:home"), follow=True).content.decode()

    assert texts(html, "h1") == ["Hello, Owner. The implementation is closed."]
    assert re.findall(r'aria-current="page"\s*>([^<]*)<', html) == ["Overview"]
    assert texts(html, "h2")[:-1] == [
        "Signed off by both sides",
        "Gangway still monitors",
        "Accepted residual risks",
    ]


def test_home_names_both_signatures(
    completed: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    html = _home(completed, owner, signed_in)

    (record,) = texts(html, "#closing-record")
    # Without the times.
    people = re.sub(r" \w{3} \d+ \w{3}, \d\d:\d\d UTC", "", record)
    assert people == (
        f"Signed off by both sides Signed {owner} Client Signed {consultant} Mimecast"
    )


def _risks(html: str) -> list[str]:
    """The rows of the accepted risks, without the people who accepted them."""
    (_, section) = html.split('id="accepted-risks"')
    return [text.split(" Accepted by ")[0] for text in texts(section, "li")]


def test_home_lists_accepted_risks(
    completed: Tenant, owner: User, signed_in: SignIn, clock: Clock
) -> None:
    risks = AcceptedResidualRisk.objects.filter(tenant=completed)
    first, *others = [each.sentence for each in risks]
    AcceptedResidualRisk.objects.filter(pk=risks[0].pk).update(
        ends_at=clock.now + timedelta(hours=1)
    )

    running = _risks(_home(completed, owner, signed_in))
    clock.move_to(clock.now + timedelta(hours=2))
    later = _risks(_home(completed, owner, signed_in))

    assert running == [f"Accepted risk {each}" for each in (first, *others)]
    assert later[0].startswith("Over Over since ")
    assert later[0].endswith(first)
    assert later[1:] == running[1:]


def test_home_offers_pack_contact_and_monitoring(
    completed: Tenant, owner: User, signed_in: SignIn
) -> None:
    ClosingPack.objects.filter(tenant=completed).update(ready_at=completed.closed_at)
    pack = ClosingPack.objects.get(tenant=completed)

    html = _home(completed, owner, signed_in)

    assert (
        reverse("onboarding:closing-pack-show", args=[completed.public_id, pack.public_id]) in html
    )
    (end,) = texts(html, "#after-closure")
    assert "Raise cases with Mimecast customer support." in end
    (monitored,) = texts(html, "#still-monitored")
    assert "Matches MX 1 of 1 match the baseline" in monitored
    assert "Monitored since" in monitored


def test_earlier_closing_shows_reason_only(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    offboarding.close_tenant(tenant, by=consultant, reason="They left <us>.")

    html = _home(Tenant.objects.get(pk=tenant.pk), owner, signed_in)

    assert texts(html, "h2")[:-1] == ["Closed before completion"]
    (end,) = texts(html, "#closing-record")
    assert f"{consultant} closed it on" in end
    assert "The reason: “They left &lt;us&gt;.”" in html
    assert texts(html, "#still-monitored") == []


def test_staff_see_the_same_record(completed: Tenant, consultant: User, signed_in: SignIn) -> None:
    html = _home(completed, consultant, signed_in)

    assert [len(texts(html, each)) for each in ("#closing-record", "#still-monitored")] == [1, 1]
    assert html.count("Mimecast customer support") == 1


def test_open_page_becomes_the_closed_home(
    completed: Tenant, owner: User, signed_in: SignIn
) -> None:
    """The live update of My tasks receives the element that it replaces."""
    address = reverse("onboarding:my-tasks", args=[completed.public_id])

    html = signed_in(owner).get(address, headers={"HX-Request": "true"}).content.decode()

    assert html.strip().startswith("<div")
    assert [html.count('id="client-tasks"'), html.count("<html")] == [1, 0]
