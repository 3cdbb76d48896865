"""One table of delivery hosts: profile, delivery routes and answers show the same rows."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from checks.models import Check, Discovery
from checks.rate_limit import missing_consent
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.lifecycle import proposals
from onboarding.lifecycle.domain_removal import removal_effects
from onboarding.lifecycle.tenants import ProfileEntry, save_profile
from onboarding.models import RequirementsSheet, SheetRow
from onboarding.requirements import prefill, services, sign_off
from onboarding.requirements.cell_types import BadValue, delivery_hosts
from onboarding.requirements.host_sheets import MOST_ADDED_HOSTS, sync_host_sheets
from onboarding.requirements.host_values import HOST_KINDS, hosts_in
from onboarding.requirements.sign_off import definition_of
from tenants.models import ActivityLine, Domain, Host, Tenant, User
from tenants.proposals import MOST_PROPOSED_HOSTS
from tests.factories import HostRow, MakeTenant, SignIn
from tests.onboarding.requirements.sheet_rows import add, entry_of, job, sheet_of, values
from tests.onboarding.requirements.test_pages import url

DOMAINS = (("northwind.test", "primary"), ("shop.test", "secondary"), ("old.test", "parked"))
RFI, ROUTES, CHECKLIST = "request-for-information", "delivery-routes", "setup-checklist"
A, B = "a.outside.test", "b.outside.test"


@pytest.fixture(autouse=True)
def _commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the callbacks of a commit at once: each step of these tests is a request of its own."""
    monkeypatch.setattr("django.db.transaction.on_commit", lambda call, **_: call())


def table(tenant: Tenant) -> list[str]:
    return sorted(str(host) for host in tenant.hosts.filter(purpose="delivery"))


def shown(tenant: Tenant, kind: str) -> list[str]:
    """The hosts that a sheet shows."""
    sheet = sheet_of(tenant, kind)
    rows = SheetRow.objects.filter(sheet=sheet).values_list("values", flat=True)
    return sorted(str(host) for host in hosts_in(definition_of(sheet), rows))


def agree(tenant: Tenant) -> list[str]:
    """The hosts of all views, which must be equal."""
    hosts = table(tenant)
    assert {kind: shown(tenant, kind) for kind in (RFI, ROUTES, CHECKLIST)} == {
        RFI: hosts,
        ROUTES: hosts,
        CHECKLIST: hosts,
    }
    return hosts


def answer(tenant: Tenant, by: User, text: str, kind: str = RFI) -> SheetRow:
    sheet = sheet_of(tenant, kind)
    row = SheetRow.objects.get(sheet=sheet, key__in=("inbound-hosts", "delivery-hosts"))
    entry = entry_of(sheet, question=row.values["question"], answer=text)
    assert entry.problems == {}
    return services.change_row(sheet, row.public_id, entry, version=row.version, by=by)


def change(tenant: Tenant, row: SheetRow, by: User, **typed: str) -> None:
    sheet = sheet_of(tenant, ROUTES)
    entry = entry_of(sheet, **{**row.values, **typed})
    services.change_row(sheet, row.public_id, entry, version=row.version, by=by)


def remove(tenant: Tenant, row: SheetRow, by: User) -> None:
    sheet = sheet_of(tenant, ROUTES)
    services.remove_row(sheet, row.public_id, version=row.version, by=by)


def in_profile(tenant: Tenant, by: User, *names: str, removed: tuple[str, ...] = ()) -> None:
    gone = tenant.hosts.filter(name__in=removed)
    hosts = [Host(purpose="delivery", name=name, port=25) for name in names]
    consented = [
        ("delivery", host.name, host.port)
        for host in tenant.hosts.filter(consented_at__isnull=False)
    ]
    entry = ProfileEntry((), hosts, consented, removal_effects(tenant, gone))
    save_profile(tenant, entry, by=by)


# --- Every path writes the same rows


def test_host_of_profile_is_in_all_sheets(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(domains=DOMAINS, hosts=(HostRow("delivery", A, 25),))
    assert agree(tenant) == [f"{A}:25"]

    in_profile(tenant, consultant, B)

    assert agree(tenant) == [f"{A}:25", f"{B}:25"]
    assert [row[:3] for row in values(sheet_of(tenant, ROUTES))] == [
        ["northwind.test", A, "25"],
        ["shop.test", A, "25"],
        ["northwind.test", B, "25"],
        ["shop.test", B, "25"],
    ]


def test_host_removed_from_profile_leaves_all_sheets(tenant: Tenant, consultant: User) -> None:
    in_profile(tenant, consultant, A, B)

    in_profile(tenant, consultant, removed=(A,))

    assert agree(tenant) == [f"{B}:25"]
    assert sheet_of(tenant, ROUTES).row_count == 1


@pytest.mark.parametrize("kind", [RFI, CHECKLIST])
def test_answer_writes_the_profile(tenant: Tenant, consultant: User, kind: str) -> None:
    answer(tenant, consultant, f"B.outside.test:2525; {A}", kind)

    assert agree(tenant) == [f"{A}:25", f"{B}:2525"]
    assert {host.is_proposed for host in tenant.hosts.all()} == {False}

    answer(tenant, consultant, A, kind)

    assert agree(tenant) == [f"{A}:25"]


def test_row_writes_the_profile(tenant: Tenant, consultant: User) -> None:
    row = add(sheet_of(tenant, ROUTES), consultant, domain="northwind.test", host=A)
    assert agree(tenant) == [f"{A}:25"]

    change(tenant, row, consultant, host=B, port="2525")
    assert agree(tenant) == [f"{B}:2525"]

    row.refresh_from_db()
    remove(tenant, row, consultant)
    assert agree(tenant) == []


def test_host_stays_while_another_row_has_it(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(domains=DOMAINS, hosts=(HostRow("delivery", A, 25),))
    first = SheetRow.objects.filter(sheet=sheet_of(tenant, ROUTES)).first()
    assert first is not None

    remove(tenant, first, consultant)

    assert agree(tenant) == [f"{A}:25"]


def test_import_writes_the_profile(tenant: Tenant, consultant: User) -> None:
    done = job(sheet_of(tenant, ROUTES), f"Domain,Host\nnorthwind.test,{A}\n", consultant)

    assert done.status == "done"
    assert agree(tenant) == [f"{A}:25"]


def test_proposal_and_rejection_reach_the_sheets(
    tenant: Tenant, member: User, consultant: User
) -> None:
    host = proposals.add_host(tenant, name=A, port=25, by=member, decides=False)
    assert agree(tenant) == [f"{A}:25"]

    proposals.reject_host(host, by=consultant, reason="Another server.")

    assert agree(tenant) == []


def test_dns_suggestion_becomes_a_host_by_use(tenant: Tenant, consultant: User) -> None:
    tenant.hosts.all().delete()
    Discovery.objects.create(domain=tenant.domains.get(), found={"delivery_host": A})
    prefill.prefill_plan(tenant.plan)
    assert agree(tenant) == []

    prefill.use_known_answers(sheet_of(tenant, RFI), "inbound-hosts", by=consultant)

    assert agree(tenant) == [f"{A}:25"]
    assert tenant.hosts.get().consented_at is None


def _steps(generator: random.Random, tenant: Tenant, by: list[User]) -> Iterator[Any]:
    """Random edits in all places. A refused edit changes nothing."""
    names = [A, B, "c.outside.test", "mail.northwind.test"]
    for _ in range(25):
        user, name = generator.choice(by), generator.choice(names)
        rows = list(SheetRow.objects.filter(sheet=sheet_of(tenant, ROUTES)))
        yield generator.choice(
            [
                lambda name=name, user=user: add(
                    sheet_of(tenant, ROUTES), user, domain="northwind.test", host=name
                ),
                lambda name=name, user=user, rows=rows: change(
                    tenant, generator.choice(rows), user, host=name
                ),
                lambda user=user, rows=rows: remove(tenant, generator.choice(rows), user),
                lambda user=user: answer(
                    tenant, user, " ".join(generator.sample(names, generator.randint(0, 3)))
                ),
                lambda name=name: in_profile(tenant, by[0], removed=(name,)),
                lambda name=name, user=user: proposals.add_host(
                    tenant, name=name, port=25, by=user, decides=user is by[0]
                ),
            ]
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 6))]
)
def test_places_never_differ(tenant: Tenant, consultant: User, member: User, seed: int) -> None:
    generator, done = random.Random(seed), 0

    for step in _steps(generator, tenant, [consultant, member]):
        before = {host.pk: host.is_proposed for host in tenant.hosts.all()}
        try:
            step()
            done += 1
        except (OnboardingError, IndexError):
            assert {host.pk: host.is_proposed for host in tenant.hosts.all()} == before
        agree(tenant)

    assert done > 5
    assert not tenant.hosts.filter(consented_at__isnull=False).exists()


# --- Consent and proposals


def test_row_of_client_is_a_proposal_without_connection(tenant: Tenant, owner: User) -> None:
    add(sheet_of(tenant, ROUTES), owner, domain="northwind.test", host="mail.stranger.test")

    host = tenant.hosts.get(name="mail.stranger.test")
    checks = list(Check.objects.filter(host=host).select_related("host"))
    assert (host.is_proposed, host.proposed_by, host.consented_at) == (True, owner, None)
    assert checks
    assert missing_consent(checks) == {check.pk for check in checks}
    line = ActivityLine.objects.get(tenant=tenant, action="value-proposed")
    assert (line.actor, line.params["value"]) == (owner, "mail.stranger.test:25")


def test_answer_of_client_is_a_proposal(tenant: Tenant, owner: User) -> None:
    answer(tenant, owner, A)

    assert tenant.hosts.get(name=A).is_proposed


@pytest.mark.parametrize("place", ["row", "answer", "replaced row"])
def test_client_removes_no_confirmed_host(
    tenant: Tenant, consultant: User, owner: User, place: str
) -> None:
    in_profile(tenant, consultant, A)
    row = SheetRow.objects.get(sheet=sheet_of(tenant, ROUTES))
    edits: dict[str, Callable[[], object]] = {
        "row": lambda: remove(tenant, row, owner),
        "answer": lambda: answer(tenant, owner, ""),
        "replaced row": lambda: change(tenant, row, owner, host=B),
    }

    with pytest.raises(OnboardingError, match="only your consultant removes a confirmed"):
        edits[place]()

    assert agree(tenant) == [f"{A}:25"]


def test_client_withdraws_proposal_with_its_row(tenant: Tenant, owner: User) -> None:
    row = add(sheet_of(tenant, ROUTES), owner, domain="northwind.test", host=A)

    remove(tenant, row, owner)

    assert agree(tenant) == []
    assert ActivityLine.objects.filter(tenant=tenant, action="proposal-withdrawn").count() == 1
    assert not Check.objects.filter(host__name=A, is_active=True).exists()


def test_replaced_host_takes_no_consent_along(tenant: Tenant, consultant: User) -> None:
    in_profile(tenant, consultant, A)
    tenant.hosts.update(consented_at=timezone.now(), consented_by=consultant)
    row = SheetRow.objects.get(sheet=sheet_of(tenant, ROUTES))

    change(tenant, row, consultant, host=B)
    assert tenant.hosts.get().consented_at is None

    row.refresh_from_db()
    change(tenant, row, consultant, host=A)
    assert (tenant.hosts.get().name, tenant.hosts.get().consented_at) == (A, None)


def test_other_columns_change_no_consent(tenant: Tenant, consultant: User, owner: User) -> None:
    in_profile(tenant, consultant, A)
    tenant.hosts.update(consented_at=timezone.now(), consented_by=consultant)
    row = SheetRow.objects.get(sheet=sheet_of(tenant, ROUTES))

    change(tenant, row, owner, note="Behind the firewall", priority="10")

    assert tenant.hosts.get().consented_at is not None
    assert not tenant.hosts.get().is_proposed


def test_file_with_too_many_hosts_changes_nothing(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    lines = [f"northwind.test,h{number}.outside.test" for number in range(MOST_ADDED_HOSTS + 1)]
    proposed = "\n".join(["Domain,Host", *lines[: MOST_PROPOSED_HOSTS + 1]])

    refused = job(sheet_of(tenant, ROUTES), proposed, owner)
    too_many = job(sheet_of(tenant, ROUTES), "\n".join(["Domain,Host", *lines]), consultant)

    assert (refused.status, too_many.status) == ("failed", "failed")
    assert "At most 20 proposed hosts" in refused.error
    assert "At most 100 can be added at once" in too_many.error
    assert agree(tenant) == []


def test_places_of_another_tenant_stay(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User
) -> None:
    other = make_tenant("Other", hosts=(HostRow("delivery", B, 25),))

    answer(tenant, consultant, A)

    assert (agree(tenant), agree(other)) == ([f"{A}:25"], [f"{B}:25"])


# --- Signed sheets


def sign(tenant: Tenant, by: User, side: str, kind: str = ROUTES) -> RequirementsSheet:
    sheet = sheet_of(tenant, kind)
    sign_off.sign_off(sheet, by=by, side=side, expected_revision=sheet.revision, reason="Later")
    return sheet_of(tenant, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ROUTES, RFI])
def test_signed_sheet_keeps_its_content(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn, kind: str
) -> None:
    tenant.rfi_used = True
    tenant.save()
    in_profile(tenant, consultant, A)
    before = sign(tenant, owner, "client", kind)
    rows = list(SheetRow.objects.filter(sheet=before).values())

    in_profile(tenant, consultant, B, removed=(A,))

    after = sheet_of(tenant, kind)
    assert list(SheetRow.objects.filter(sheet=before).values()) == rows
    assert (after.signed_sides, after.revision) == (["client"], before.revision)
    assert after.hosts_changed_at is not None
    page = " ".join(signed_in(owner).get(url(after)).content.decode().split())
    assert "The delivery hosts changed" in page
    assert "The signed content is unchanged." in page

    sign_off.withdraw_sign_off(after, by=owner, side="client")
    prefill.prefill_plan(tenant.plan)
    assert agree(tenant) == [f"{B}:25"]
    assert sheet_of(tenant, kind).hosts_changed_at is None


@pytest.mark.slow
def test_host_of_signed_row_returns_without_its_consent(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    in_profile(tenant, consultant, A)
    tenant.hosts.update(consented_at=timezone.now(), consented_by=consultant)
    sheet = sign(tenant, owner, "client")
    in_profile(tenant, consultant, removed=(A,))
    address = url(sheet, "host-from-sheet")

    refused = signed_in(owner).post(address, {"host": f"{A}:25"})
    added = signed_in(consultant).post(address, {"host": f"{A}:25"}, follow=True)

    assert refused.status_code == 403
    assert "was added to the profile" in added.content.decode()
    assert tenant.hosts.get().consented_at is None
    assert sheet_of(tenant, ROUTES).hosts_changed_at is None


@pytest.mark.slow
def test_return_of_the_signed_hosts_ends_the_note(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    in_profile(tenant, consultant, A)
    sign(tenant, owner, "client")
    in_profile(tenant, consultant, B)
    assert sheet_of(tenant, ROUTES).hosts_changed_at is not None

    in_profile(tenant, consultant, removed=(B,))

    assert sheet_of(tenant, ROUTES).hosts_changed_at is None


def test_second_side_signs_the_same_hosts(tenant: Tenant, consultant: User, owner: User) -> None:
    in_profile(tenant, consultant, A)
    sign(tenant, owner, "client")
    in_profile(tenant, consultant, B)

    with pytest.raises(ConflictingChange, match="changed after the first sign-off"):
        sign(tenant, consultant, "mimecast")

    assert sheet_of(tenant, ROUTES).signed_sides == ["client"]


def test_withdrawal_on_the_page_updates_the_sheet(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    in_profile(tenant, consultant, A)
    sheet = sign(tenant, owner, "client")
    in_profile(tenant, consultant, B)

    signed_in(owner).post(url(sheet, "requirements-sign-off-withdraw"))

    assert agree(tenant) == [f"{A}:25", f"{B}:25"]


# --- Pages


def test_page_labels_proposed_hosts(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    answer(tenant, owner, A)

    for kind in (RFI, ROUTES, CHECKLIST):
        page = " ".join(signed_in(owner).get(url(sheet_of(tenant, kind))).content.decode().split())
        assert f"proposed by {owner.name}, not confirmed yet" in page


def test_host_with_another_port_is_no_second_row(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    in_profile(tenant, consultant, A)
    host = Host.objects.create(tenant=tenant, purpose="delivery", name=A, port=2525)

    page = signed_in(consultant).post(
        url(sheet_of(tenant, ROUTES), "requirements-host-use"),
        {"host": host.public_id},
        follow=True,
    )

    assert f"{A} with another port" in page.content.decode()


# --- The list of hosts as a cell


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Mail.Example.com", "mail.example.com:25"),
        ("b.example.com:2525, a.example.com", "a.example.com:25, b.example.com:2525"),
        ("a.example.com;a.example.com:25", "a.example.com:25"),
        ("2001:db8::1 192.0.2.1", "192.0.2.1:25, [2001:db8::1]:25"),
        ("[2001:db8::1]:2525", "[2001:db8::1]:2525"),
        ("", ""),
    ],
)
def test_list_of_hosts_has_one_spelling(typed: str, stored: str) -> None:
    assert delivery_hosts(typed) == stored
    assert delivery_hosts(stored) == stored


@pytest.mark.parametrize("typed", ["ann@example.com", "a.example.com:70000", "a.example.com:x"])
def test_text_without_hosts_is_refused(typed: str) -> None:
    with pytest.raises(BadValue):
        delivery_hosts(typed)


# --- Migration


def migrate() -> None:
    importlib.import_module("onboarding.migrations.0043_hosts_of_sheets").add_hosts(apps, None)


def store_row(tenant: Tenant, by: User, name: str, **more: Any) -> SheetRow:
    """A row of an earlier version, whose host is not in the table."""
    return SheetRow.objects.create(
        sheet=sheet_of(tenant, ROUTES),
        position=1,
        key=f"northwind.test | {name}",
        values={"domain": "northwind.test", "host": name, "port": "25", "priority": "", "note": ""},
        changed_by=by,
        **more,
    )


def test_migration_adds_hosts_as_proposals(tenant: Tenant, owner: User) -> None:
    store_row(tenant, owner, A)
    asked = SheetRow.objects.get(sheet=sheet_of(tenant, RFI), key="inbound-hosts")
    asked.values |= {"answer": f"{B}:2525, MX.outside.test"}
    asked.save()
    signed = sheet_of(tenant, ROUTES)
    RequirementsSheet.objects.filter(pk=signed.pk).update(client_signed_at=timezone.now())
    rows = list(SheetRow.objects.filter(sheet__task__plan=tenant.plan).order_by("pk").values())

    migrate()
    migrate()

    assert table(tenant) == [f"{A}:25", f"{B}:2525", "mx.outside.test:25"]
    assert {(host.is_proposed, host.consented_at) for host in tenant.hosts.all()} == {(True, None)}
    assert tenant.hosts.get(name=A).proposed_by == owner
    after = list(SheetRow.objects.filter(sheet__task__plan=tenant.plan).order_by("pk").values())
    assert after == rows


def test_migration_changes_no_known_host(tenant: Tenant, owner: User, consultant: User) -> None:
    now = timezone.now()
    Host.objects.create(tenant=tenant, purpose="delivery", name=A, port=25, consented_at=now)
    store_row(tenant, owner, A)

    migrate()

    assert (tenant.hosts.get().consented_at, tenant.hosts.get().is_proposed) == (now, False)


@pytest.mark.parametrize(("age", "hosts"), [(timedelta(days=1), []), (-timedelta(days=1), [A])])
def test_migration_follows_the_newest_decision(
    tenant: Tenant, owner: User, age: timedelta, hosts: list[str]
) -> None:
    removed_at = timezone.now()
    Host.objects.create(
        tenant=tenant,
        purpose="delivery",
        name=A,
        port=25,
        consented_at=removed_at,
        removed_at=removed_at,
    )
    store_row(tenant, owner, A, changed_at=removed_at - age)

    migrate()

    found = tenant.hosts.all()
    assert [host.name for host in found] == hosts
    assert not found.filter(consented_at__isnull=False).exists()


def test_migration_ignores_prose_and_closed_tenants(
    tenant: Tenant, make_tenant: MakeTenant, owner: User
) -> None:
    closed = make_tenant("Closed")
    store_row(closed, owner, A)
    Tenant.objects.filter(pk=closed.pk).update(closed_at=timezone.now())
    asked = SheetRow.objects.get(sheet=sheet_of(tenant, RFI), key="inbound-hosts")
    asked.values |= {"answer": "The server in our data centre"}
    asked.save()

    migrate()
    prefill.prefill_plan(tenant.plan)

    assert not Host.objects.exists()
    asked.refresh_from_db()
    assert asked.values["answer"] == "The server in our data centre"


def test_parked_domain_needs_no_route(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant(domains=(("old.test", "parked"),))
    Domain.objects.update(role="parked")

    in_profile(tenant, consultant, A)

    assert (table(tenant), shown(tenant, ROUTES), shown(tenant, RFI)) == (
        [f"{A}:25"],
        [],
        [f"{A}:25"],
    )


def test_removed_sheet_stops_no_other_sheet(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(platform="on_premises")
    first, *others = RequirementsSheet.objects.filter(
        task__plan=tenant.plan, kind__in=HOST_KINDS
    ).order_by("pk")
    Host.objects.create(tenant=tenant, purpose="delivery", name="mail.northwind.test", port=25)
    removed: list[int] = []

    def remove_first(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith("SAVEPOINT") and not removed:
            removed.append(first.pk)
            RequirementsSheet.objects.filter(pk=first.pk).delete()
        return execute(sql, *args)

    with connection.execute_wrapper(remove_first):
        sync_host_sheets(tenant.plan)

    assert (removed, len(others) > 0) == ([first.pk], True)
    for sheet in others:
        shown = SheetRow.objects.filter(sheet=sheet).values_list("values", flat=True)
        assert "mail.northwind.test" in str(list(shown))
