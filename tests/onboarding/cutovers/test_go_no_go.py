"""The go/no-go vote: approvers, accepted risks, and the one decision."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Observation
from onboarding.cutovers import go_no_go
from onboarding.cutovers.go_no_go import Vote
from onboarding.cutovers.planning import cancel_cutover
from onboarding.cutovers.readiness import ReadinessFacts, ReadinessRow
from onboarding.cutovers.room import load_facts
from onboarding.cutovers.snapshots import digest_of
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, CutoverDecision, CutoverVote
from onboarding.plans.plan_context import PlanContext
from tenants.models import Membership, Tenant, User
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_cutover_room import address, observe, plan_inbound

GREEN = [ReadinessRow("ttl", "TTL", Verdict.PASS, "Fine.")]
RED = [
    ReadinessRow("ttl", "TTL", Verdict.FAIL, "Not yet."),
    ReadinessRow("mx", "MX", Verdict.UNKNOWN, "Dark."),
]


@pytest.fixture
def cutover(tenant: Tenant, consultant: User, owner: User) -> Cutover:
    made = plan_inbound(tenant, timezone.now() + timedelta(days=2))
    go_no_go.name_approvers(made, mimecast=consultant, client=owner, by=consultant)
    made.refresh_from_db()
    return made


def _facts(cutover: Cutover) -> ReadinessFacts:
    tenant = cutover.plan.tenant
    plan_context = PlanContext.of(tenant)
    return load_facts(cutover, [], plan_context, [], tenant.region_values, now=timezone.now())


def _cast(
    cutover: Cutover,
    by: User,
    *,
    is_go: bool = True,
    rows: list[ReadinessRow] = GREEN,
    shown: list[ReadinessRow] | None = None,
    risk: str = "",
) -> CutoverDecision | None:
    blockers = [row.key for row in (rows if shown is None else shown) if row.is_blocking]
    vote = Vote(cutover.planned_at, cutover.round, is_go, "As agreed.", risk, blockers)
    return go_no_go.cast_vote(cutover, vote, rows, _facts(cutover), by=by)


def test_two_goes_decide(cutover: Cutover, consultant: User, owner: User) -> None:
    first = _cast(cutover, consultant)
    second = _cast(cutover, owner)

    assert first is None
    assert second is not None
    assert (second.is_go, second.digest) == (True, digest_of(second.content))
    assert [row["key"] for row in second.content["rows"]] == ["ttl"]
    assert [(v["side"], v["by"], v["is_go"]) for v in second.content["votes"]] == [
        ("client", "Owner Person", True),
        ("mimecast", "Con Sultant", True),
    ]


def test_one_no_go_decides(cutover: Cutover, owner: User) -> None:
    made = _cast(cutover, owner, is_go=False, rows=RED)

    assert made is not None
    assert made.is_go is False


@pytest.mark.parametrize(("risk", "recorded"), [("", 0), ("The client insists.", 1)])
def test_go_with_blockers_needs_accepted_risk(
    cutover: Cutover, consultant: User, risk: str, recorded: int
) -> None:
    if risk:
        _cast(cutover, consultant, rows=RED, risk=risk)
    else:
        with pytest.raises(OnboardingError, match="TTL, MX"):
            _cast(cutover, consultant, rows=RED)

    assert [vote.accepted_risk for vote in CutoverVote.objects.all()] == [risk] * recorded


def test_accepted_risk_covers_shown_rows_only(cutover: Cutover, consultant: User) -> None:
    with pytest.raises(ConflictingChange, match="“MX” now blocks the cutover too"):
        _cast(cutover, consultant, rows=RED, shown=RED[:1], risk="TTL is known.")

    assert CutoverVote.objects.count() == 0


@pytest.mark.parametrize(("before", "decided"), [(GREEN, False), (RED[:1], False), (RED, True)])
def test_go_covers_blockers_of_its_time(
    cutover: Cutover, consultant: User, owner: User, before: list[ReadinessRow], decided: bool
) -> None:
    _cast(cutover, consultant, rows=before, risk="Known.")

    made = _cast(cutover, owner, rows=RED, risk="Known as well.")

    assert (made is not None) == decided


def test_no_go_decision_has_both_votes(cutover: Cutover, consultant: User, owner: User) -> None:
    _cast(cutover, consultant)

    made = _cast(cutover, owner, is_go=False, rows=RED)

    assert made is not None
    assert [vote["is_go"] for vote in made.content["votes"]] == [False, True]


def test_only_approvers_vote(cutover: Cutover, administrator: User) -> None:
    with pytest.raises(OnboardingError, match="Only the two approvers"):
        _cast(cutover, administrator)

    assert CutoverVote.objects.count() == 0


def test_decision_is_final(cutover: Cutover, consultant: User, owner: User) -> None:
    made = _cast(cutover, owner, is_go=False)
    assert made is not None

    with pytest.raises(ConflictingChange):
        _cast(cutover, consultant)
    with pytest.raises(ConflictingChange):
        go_no_go.name_approvers(cutover, mimecast=None, client=None, by=consultant)
    with pytest.raises(AssertionError):
        made.save(update_fields=["is_go"])

    assert CutoverDecision.objects.get().is_go is False


def test_rescheduled_window_needs_new_votes(
    cutover: Cutover, consultant: User, owner: User
) -> None:
    _cast(cutover, consultant)
    shown = cutover.planned_at
    Cutover.objects.update(planned_at=shown + timedelta(days=1))

    with pytest.raises(ConflictingChange):
        _cast(cutover, owner)
    cutover.refresh_from_db()

    assert _cast(cutover, owner) is None
    assert go_no_go.current_decision(cutover) is None


def test_vote_of_former_approver_does_not_count(
    cutover: Cutover, consultant: User, administrator: User, owner: User
) -> None:
    _cast(cutover, consultant)
    go_no_go.name_approvers(cutover, mimecast=administrator, client=owner, by=consultant)
    cutover.refresh_from_db()

    assert _cast(cutover, owner) is None


def test_database_allows_one_decision(cutover: Cutover, owner: User) -> None:
    made = _cast(cutover, owner, is_go=False)
    assert made is not None

    with pytest.raises(IntegrityError), transaction.atomic():
        CutoverDecision.objects.create(
            cutover=cutover,
            window_start=made.window_start,
            is_go=True,
            decided_at=made.decided_at,
            content={},
            digest="",
        )

    assert CutoverDecision.objects.get() == made


def _vote(client: Client, cutover: Cutover, choice: str, risk: str = "") -> None:
    form = {
        "planned_at": cutover.planned_at.isoformat(),
        "round": str(cutover.round),
        "choice": choice,
        "accepted_risk": risk,
    }
    assert client.post(address(cutover, "cutover-vote"), form).status_code == 302


def test_decision_stores_readiness_and_evidence(
    cutover: Cutover, tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    observe(tenant, CheckKind.MX_TTL, timezone.now(), 86_400, "10 mail.test")
    client = signed_in(owner)

    _vote(client, cutover, "no-go")

    made = CutoverDecision.objects.get()
    ttl = next(row for row in made.content["rows"] if row["key"] == "ttl")
    assert ttl["verdict"] == "fail"
    evidence = {each["kind"]: each["observation"] for each in made.content["evidence"]}
    assert evidence["mx_ttl"] == Observation.objects.get(check_asked__kind="mx_ttl").public_id
    html = client.get(address(cutover)).content.decode()
    assert "Decision: no-go" in html
    assert "Reschedule the window, even by minutes, to vote again" in " ".join(texts(html, "p"))
    assert ttl["detail"] in html


def test_client_approver_must_be_owner(
    cutover: Cutover, tenant: Tenant, outsider: User, member: User, consultant: User, owner: User
) -> None:
    Membership.objects.create(tenant=tenant, user=consultant, role="owner")

    assert list(go_no_go.client_approvers(tenant)) == [owner]


def test_outsider_cannot_be_approver(
    cutover: Cutover, outsider: User, consultant: User, signed_in: SignIn
) -> None:
    signed_in(consultant).post(
        address(cutover, "approvers"), {"mimecast": "", "client": outsider.public_id}
    )

    cutover.refresh_from_db()
    assert cutover.client_approver is not None
    assert cutover.client_approver != outsider


def test_votes_of_cancelled_cutover_remain(cutover: Cutover, consultant: User) -> None:
    _cast(cutover, consultant)

    cancel_cutover(cutover, by=consultant)

    assert not Cutover.objects.filter(pk=cutover.pk).exists()
    assert CutoverVote.objects.filter(cutover=cutover).count() == 1
