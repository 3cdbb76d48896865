"""Dry runs: the room against pasted records, without any other change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks import raw_answers
from checks.engine.batch import CheckRequest, inspect
from checks.engine.dns.network import Network
from checks.engine.hosts.prober import Prober
from checks.engine.outcomes import CheckKind, Outcome
from checks.engine.preflight import InvalidZoneText
from checks.engine.recording import CheckClients, Recorder, recording_clients
from checks.engine.zone_text import ZoneText
from checks.models import Check, Observation
from checks.runs import build_request
from onboarding.cutovers.dry_run import parse_records
from onboarding.models import Cutover, CutoverVote, DryRun, Task
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.cutovers import cutover_of
from tests.factories import TOKEN, MakeTenant, SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import address

ZONE = """
main.test 300 MX 10 mail.main.test
main.test 300 TXT "v=spf1 -all"
side.test 300 MX 10 mail.main.test
side.test 300 TXT "v=spf1 -all"
"""
HOSTS = ("us-smtp-inbound-1.mimecast.com", "us-smtp-inbound-2.mimecast.com")
MX = "\n".join(f"@ 300 MX 10 {host}." for host in HOSTS)


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    made = make_tenant(domains=(("main.test", "primary"), ("side.test", "secondary")))
    for check in Check.objects.filter(
        tenant=made, kind__in=[CheckKind.MX, CheckKind.OWNERSHIP]
    ).select_related("tenant", "domain", "host"):
        _store_run(check)
    return made


def _store_run(check: Check) -> None:
    """Store the observation of a real run as a worker does."""
    lookup, recorder = ZoneLookup(ZONE), Recorder()
    means = recording_clients(lookup, Prober(Network(), lookup), recorder)
    outcome = asyncio.run(_inspect(means, build_request(check)))
    now = timezone.now()
    made = Observation.objects.create(
        check_asked=check,
        verdict=outcome.verdict.value,
        evidence=dict(outcome.evidence),
        digest=f"x{check.pk}",
        raw_id=raw_answers.store({0: (check.tenant.pk, recorder.raw())})[0],
        first_seen_at=now,
        last_seen_at=now,
    )
    Check.objects.filter(pk=check.pk).update(latest=made, checked_at=now)


async def _inspect(means: CheckClients, request: CheckRequest) -> Outcome:
    return await inspect(means, request)


def _inbound(tenant: Tenant, *names: str) -> Cutover:
    return cutover_of(tenant, "inbound", timezone.now() + timedelta(days=9), *names)


def _try(client: Client, cutover: Cutover, records: str, **more: str) -> tuple[int, str]:
    form = {"records": records, "try": "yes"} | more
    answer = client.post(address(cutover, "dry-run-create"), form)
    return answer.status_code, answer.content.decode()


def _everything(tenant: Tenant) -> list[Any]:
    return [
        list(Check.objects.filter(tenant=tenant).order_by("pk").values()),
        list(Observation.objects.order_by("pk").values()),
        list(Task.objects.filter(plan__tenant=tenant).order_by("pk").values()),
        list(Cutover.objects.order_by("pk").values()),
        list(CutoverVote.objects.values()),
        list(ActivityLine.objects.filter(tenant=tenant).order_by("pk").values()),
    ]


def test_dry_run_stores_nothing(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    cutover = _inbound(tenant, "side.test")
    client = signed_in(consultant)
    before = _everything(tenant)

    status, html = _try(client, cutover, MX)

    assert status == 200
    assert "name servers would publish the new answer" in " ".join(html.split())
    assert "These records would verify it." in texts(html, "p")
    assert "No change left." in texts(html, "p")
    assert texts(html, "#dry-run-status")[0].startswith("Dry run: nothing below is published")
    assert "main.test" not in html.split('class="tabs"', 1)[1]
    assert _everything(tenant) == before
    assert not DryRun.objects.exists()


def test_stale_check_stays_stale_in_dry_run(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = _inbound(tenant, "side.test")
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX_TTL, domain__name="side.test")
    _store_run(Check.objects.select_related("tenant", "domain", "host").get(pk=check.pk))
    client, row = signed_in(consultant), "#ready-ttl"
    _, fresh = _try(client, cutover, MX)
    Check.objects.update(checked_at=timezone.now() - timedelta(days=3))

    _, html = _try(client, cutover, MX)
    real = client.get(address(cutover)).content.decode()

    assert "Earliest safe cutover" in texts(fresh, row)[0]
    for page in (html, real):
        assert "The last check of side.test is too old to count." in texts(page, row)[0]
    assert "No change left." not in texts(html, "p")


def test_dry_run_finds_leftover_host(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    cutover = _inbound(tenant, "side.test")

    _, html = _try(signed_in(consultant), cutover, f"{MX}\n@ 300 MX 20 mail.main.test.")

    assert "These records would not verify it for side.test." in texts(html, "p")
    assert "Senders can still bypass Mimecast through 20 mail.main.test." in " ".join(
        texts(html, "p")
    )


def test_dry_run_evaluates_readiness(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    cutover = cutover_of(tenant, "outbound", timezone.now() + timedelta(days=9), "side.test")
    client = signed_in(consultant)
    real = client.get(address(cutover)).content.decode()

    _, good = _try(client, cutover, f'@ 300 TXT "v=spf1 -all"\n@ 300 TXT "{TOKEN}"')
    _, bad = _try(client, cutover, '@ 300 TXT "v=spf1 -all"\n@ 300 TXT "something else"')

    rows = [" ".join(texts(page, "#ready-ownership")) for page in (real, good, bad)]
    assert "Not known for side.test" in rows[0]
    assert "side.test: ownership is verified." in rows[1]
    assert "side.test: ownership is not verified." in rows[2]


def test_dry_run_begins_with_sheet_records(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = _inbound(tenant)

    client = signed_in(consultant)

    shown = client.get(address(cutover, "dry-run-create")).context["form"]["records"].value()
    status, html = _try(client, cutover, shown)

    assert shown.splitlines() == [
        f"{name}. 300 IN MX 10 {host}." for name in ("main.test", "side.test") for host in HOSTS
    ]
    assert (status, " ".join(html.split()).count("would publish the new answer</span>")) == (200, 2)


@pytest.mark.slow
def test_dry_run_is_saved(
    tenant: Tenant, consultant: User, viewer: User, signed_in: SignIn
) -> None:
    cutover = _inbound(tenant, "side.test")
    client = signed_in(consultant)
    started = client.get(address(cutover, "dry-run-create")).context["started"]

    _try(client, cutover, MX, started=started, save="yes", comment="Smooth.")

    made = DryRun.objects.get(cutover=cutover)
    assert (made.by, made.records, made.comment, made.round) == (consultant, MX, "Smooth.", 1)
    assert timedelta(0) < made.saved_at - made.started_at < timedelta(minutes=1)
    verdicts = {each["kind"]: each["verdict"] for each in made.content["findings"]}
    assert verdicts["mx"] == "pass"
    assert made.content["domains"] == ["side.test"]
    line = ActivityLine.objects.get(tenant=tenant, action="dry-run-recorded")
    assert (line.params["blockers"], line.params["domains"]) == (made.blocking_count, "side.test")
    assert not Task.objects.exclude(verified_at=None).exists()
    page = reverse(
        "onboarding:dry-run-show", args=[tenant.public_id, cutover.public_id, made.public_id]
    )
    reader = signed_in(viewer)
    assert page in reader.get(address(cutover)).content.decode()
    html = reader.get(page).content.decode()
    assert "“Smooth.”" in html
    assert "have changed since" not in html

    Cutover.objects.update(round=2)
    assert "have changed since" in reader.get(page).content.decode()
    with pytest.raises(AssertionError):
        made.save(update_fields=["comment"])


def test_unsigned_start_is_replaced_by_now(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover, other = _inbound(tenant, "side.test"), _inbound(tenant, "main.test")
    client = signed_in(consultant)
    of_other = client.get(address(other, "dry-run-create")).context["started"]

    for started in ("2020-01-01", of_other):
        _try(client, cutover, MX, started=started, save="yes")

    assert [made.saved_at - made.started_at for made in DryRun.objects.all()] == [timedelta(0)] * 2


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ("", "This field is required."),
        ("$INCLUDE /etc/passwd", "it has no MX, TXT or CNAME record."),
        ("$TLL 300", "No dry run is possible: line 1: a directive other than"),
        ("elsewhere.test. MX 10 m.test.", "elsewhere.test is not in this cutover."),
        ("main.test. MX 10 m.test.", "main.test is not in this cutover."),
        ("www A 192.0.2.1", "it has no MX, TXT or CNAME record."),
    ],
)
def test_invalid_records_are_refused_and_retained(
    tenant: Tenant, consultant: User, signed_in: SignIn, records: str, problem: str
) -> None:
    status, html = _try(signed_in(consultant), _inbound(tenant, "side.test"), records)

    assert status == 422
    assert problem in texts(html, ".errorlist")[0]
    assert texts(html, "textarea")[0] == records


def _owners(text: str, *names: str) -> Sequence[str] | str:
    found = parse_records(text, [Domain(name=name) for name in names])
    return (
        found.problem
        if isinstance(found, InvalidZoneText)
        else sorted(owner for owner, _ in found.records)
    )


INCLUDED = f"$INCLUDE mail.db\n{MX}\nwww A 192.0.2.1\n$GENERATE 1-9 h$ A 192.0.2.1"
NOTE = "Lines 1, 5: the records of $INCLUDE, $GENERATE are missing from the results."


def test_dry_run_shows_and_stores_the_notes(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover, client = _inbound(tenant, "side.test"), signed_in(consultant)

    status, html = _try(client, cutover, INCLUDED)
    _try(client, cutover, INCLUDED, save="yes")

    made = DryRun.objects.get(cutover=cutover)
    address_of = [tenant.public_id, cutover.public_id, made.public_id]
    stored = client.get(reverse("onboarding:dry-run-show", args=address_of)).content.decode()
    assert status == 200
    assert [note["code"] for note in made.content["notes"]] == ["not-read", "ignored"]
    for page in (html, stored):
        assert NOTE in " ".join(texts(page, ".text-strong"))
        assert "no check uses A records" in " ".join(texts(page, "li"))


def test_refused_records_have_their_notes(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    _, html = _try(signed_in(consultant), _inbound(tenant, "side.test"), "$INCLUDE mail.db")

    assert "Line 1: the records of $INCLUDE are missing" in " ".join(texts(html, ".text-strong"))


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("@ MX 10 m.test.", []),
        ("a.test. MX 10 m.test.\nb.test. MX 10 m.test.", []),
        ("@ MX m.test.\n$INCLUDE x", [("not-read", (2,)), ("no-preference", (1,))]),
        ("a.test. MX 10 m.com\nwww A 192.0.2.1", [("no-final-dot", (1,)), ("ignored", (2,))]),
    ],
)
def test_notes_of_all_domains_are_one_list(
    text: str, notes: list[tuple[str, Sequence[int]]]
) -> None:
    found = parse_records(text, [Domain(name=name) for name in ("a.test", "b.test")])

    assert isinstance(found, ZoneText)
    assert [(note.code, note.lines) for note in found.notes] == notes


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        ("@ MX 10 m.test.", ["a.test", "b.test"]),
        ("_dmarc TXT x", ["_dmarc.a.test", "_dmarc.b.test"]),
        ("a.test. MX 10 m.test.", ["a.test"]),
        ("$ORIGIN b.test.\n@ MX 10 m.test.\n_dmarc TXT x", ["_dmarc.b.test", "b.test"]),
        ("a.test MX 10 m.", "a.test.a.test repeats the domain, so a final dot is missing"),
        ("a.test. MX 10 m.\nc.test. MX 10 m.", "c.test is not in this cutover"),
    ],
)
def test_relative_names_apply_to_every_domain(text: str, owners: list[str] | str) -> None:
    assert _owners(text, "a.test", "b.test") == owners


def test_foreign_dry_run_is_not_found(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))
    foreign = _inbound(other)
    own = _inbound(tenant, "side.test")
    saved = DryRun.objects.create(
        cutover=foreign, window_start=foreign.planned_at, round=1, by=consultant,
        started_at=timezone.now(), records=MX, content={},
    )  # fmt: skip
    client = signed_in(consultant)

    for cutover in (own, foreign):
        page = reverse(
            "onboarding:dry-run-show", args=[tenant.public_id, cutover.public_id, saved.public_id]
        )
        assert client.get(page).status_code == 404
    mixed = reverse("onboarding:dry-run-create", args=[tenant.public_id, foreign.public_id])
    assert client.post(mixed, {"records": MX}).status_code == 404


@pytest.fixture
def viewer(tenant: Tenant) -> User:
    user = User.objects.create_user("viewer@main.test", "pw", name="Viewer Person")
    tenant.memberships.create(user=user, role="viewer")
    return user
