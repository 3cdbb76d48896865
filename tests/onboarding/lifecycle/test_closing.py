"""Sign-off, closing and reopening."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.collaboration.share_links import create_share_link
from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing import reopen_tenant, sign_off_implementation
from onboarding.lifecycle.tasks import reconcile
from onboarding.models import (
    Comment,
    Drift,
    Monitoring,
    Plan,
    ShareLink,
    Task,
    TaskStatus,
    WaitingPeriod,
)
from onboarding.plans.services import set_responsibility, withdraw_confirmation
from onboarding.requirements import sign_off
from tenants.models import ActivityLine, Tenant, User
from tests.closings import STATEMENT, prepare_closing, sign_off_both
from tests.factories import RunCheck, SignIn, task_of
from tests.markup import texts
from tests.onboarding.requirements.sheet_rows import add, sheet_of

CLOSURE = "case-closure"

WORDS = STATEMENT


def sign(tenant: Tenant, user: User, side: str, reason: str = WORDS) -> None:
    sign_off_implementation(task_of(tenant, CLOSURE), by=user, side=side, reason=reason)


def test_both_signatures_close_tenant(tenant: Tenant, owner: User, consultant: User) -> None:
    prepare_closing(tenant, consultant)

    sign(tenant, owner, "client")
    assert task_of(tenant, CLOSURE).status == "partly_confirmed"
    sign(tenant, consultant, "mimecast", "Agreed.")

    assert task_of(tenant, CLOSURE).status == "done"
    assert list(Comment.objects.values_list("body", flat=True)) == [WORDS, "Agreed."]


def test_second_signature_of_side_is_rejected(
    tenant: Tenant, owner: User, member: User, consultant: User
) -> None:
    prepare_closing(tenant, consultant)
    sign(tenant, owner, "client")

    with pytest.raises(OnboardingError, match="already signed off"):
        sign(tenant, member, "client", "So do I.")

    assert list(Comment.objects.values_list("body", flat=True)) == [WORDS]


def test_confirming_closure_opens_sign_off(
    tenant: Tenant, owner: User, signed_in: SignIn, consultant: User
) -> None:
    prepare_closing(tenant, consultant)
    ids = [tenant.public_id, task_of(tenant, CLOSURE).public_id]
    client = signed_in(owner)

    answer = client.post(reverse("onboarding:task-confirm", args=ids))
    assert answer["Location"] == reverse("onboarding:closing", args=[tenant.public_id])

    sign_off_address = reverse("onboarding:sign-off", args=[tenant.public_id])
    empty = client.post(sign_off_address, {"reason": " "})
    assert (empty.status_code, task_of(tenant, CLOSURE).status) == (422, "todo")
    assert "Enter a statement. It is stored with the plan." in empty.content.decode()
    client.post(sign_off_address, {"reason": WORDS})
    assert task_of(tenant, CLOSURE).client_confirmed_by == owner


def test_sign_off_form_names_open_tasks(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    response = signed_in(owner).post(
        reverse("onboarding:sign-off", args=[tenant.public_id]), {"reason": WORDS}
    )

    text = response.content.decode()
    assert response.status_code == 422
    assert "Still open: “Initial conversation" in text
    assert "we watch the held queue until Friday" in text


@pytest.fixture
def completed(tenant: Tenant, owner: User, consultant: User, run_check: RunCheck) -> Tenant:
    """A tenant after go-live that both sides signed off."""
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    prepare_closing(tenant, consultant)
    create_share_link(tenant.plan, tenant.domains.get(), recipient="DNS team", days=7, by=owner)
    return sign_off_both(tenant, owner, consultant)


def test_one_signature_closes_nothing(tenant: Tenant, owner: User, consultant: User) -> None:
    prepare_closing(tenant, consultant)

    sign(tenant, owner, "client")

    tenant.refresh_from_db()
    assert (tenant.is_closed, Monitoring.objects.exists()) == (False, False)


def test_client_signature_cannot_be_skipped(tenant: Tenant, consultant: User) -> None:
    with pytest.raises(OnboardingError, match="Both sides sign"):
        set_responsibility(task_of(tenant, CLOSURE), "mimecast", by=consultant)


def test_second_signature_archives_and_monitors(completed: Tenant) -> None:
    assert completed.closed_at == completed.completed_at
    assert completed.is_closed
    assert Monitoring.objects.get().reason == "cutover"
    assert ShareLink.objects.get().revoked_at is not None
    assert ActivityLine.objects.filter(action="implementation-completed").count() == 1
    assert Check.objects.filter(tenant=completed, is_active=True).exists()


def test_unverified_tenant_is_monitored_from_closing(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    prepare_closing(tenant, consultant)
    sign_off_both(tenant, owner, consultant)

    monitoring = Monitoring.objects.get()
    tenant.refresh_from_db()
    assert (monitoring.reason, monitoring.started_at) == ("closed", tenant.completed_at)


def test_closing_ends_the_wait_for_an_answer(tenant: Tenant, owner: User, consultant: User) -> None:
    prepare_closing(tenant, consultant)
    training = task_of(tenant, "training")
    question = NewComment("Who was there?", asked_side="client")
    add_comment(training, question, by=consultant, side="mimecast")
    assert task_of(tenant, "training").waiting_on == "client"

    sign_off_both(tenant, owner, consultant)

    assert task_of(tenant, "training").waiting_on == ""
    assert not WaitingPeriod.objects.filter(ended_at=None).exists()


def test_closed_plan_is_read_only(
    completed: Tenant, owner: User, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    training = task_of(completed, "training")
    before = list(Task.objects.order_by("pk").values())

    for user in (owner, consultant):
        ids = [completed.public_id, training.public_id]
        assert signed_in(user).post(reverse("onboarding:task-undo", args=ids)).status_code == 403
    late: list[Callable[[], object]] = [
        lambda: withdraw_confirmation(training, by=consultant, side="mimecast"),
        lambda: add_comment(training, NewComment("One more thing."), by=owner, side="client"),
        lambda: add(sheet_of(completed), owner, target="ann@outside.test"),
        lambda: sign_off.sign_off(
            sheet_of(completed), by=owner, side="client", expected_revision=0
        ),
    ]
    for act in late:
        with pytest.raises(OnboardingError, match="The tenant has been closed"):
            act()
    for minute in (10, 20, 30):
        run_check(completed, CheckKind.MX, Verdict.FAIL, code="mx.leftover", minutes=minute)
    reconcile()

    assert list(Task.objects.order_by("pk").values()) == before
    assert Drift.objects.get().kind == "leftover_mx"


@pytest.mark.slow
def test_closed_tenants_need_a_filter(
    completed: Tenant, owner: User, manager: User, signed_in: SignIn
) -> None:
    client = signed_in(manager)
    dashboard = reverse("onboarding:dashboard")

    html = client.get(dashboard).content.decode()
    assert (texts(html, ".figure-number")[0], _listed(html)) == ("0", [])
    assert _listed(client.get(dashboard + "?show=closed").content.decode()) == ["Northwind"]

    home = signed_in(owner).get(reverse("onboarding:home"))
    assert home["Location"] == reverse("onboarding:my-tasks", args=[completed.public_id])


def _listed(dashboard: str) -> list[str]:
    """The tenants in the table. The cards above also name closed ones."""
    return texts(dashboard[dashboard.index('id="list"') :], ".name")


@pytest.mark.slow
def test_reopening_removes_both_signatures(
    completed: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    for minute in (10, 20, 30):
        run_check(completed, CheckKind.MX, Verdict.FAIL, code="mx.leftover", minutes=minute)
    client = signed_in(consultant)
    address = reverse("onboarding:tenant-reopen", args=[completed.public_id])

    refused = client.post(address, {"reason": " "})
    completed.refresh_from_db()
    assert (refused.status_code, completed.is_closed) == (422, True)
    assert "Enter a reason. It is stored in the activity log." in refused.content.decode()

    client.post(address, {"reason": "The old gateway is back."})
    completed.refresh_from_db()
    assert (completed.closed_at, completed.completed_at) == (None, None)
    assert task_of(completed, CLOSURE).status == TaskStatus.TODO
    # The decline remains, but its proof has regressed.
    assert task_of(completed, "mx-record-cutover").regressed_at is not None
    line = ActivityLine.objects.get(action="tenant-reopened")
    assert (line.actor, line.params["reason"]) == (consultant, "The old gateway is back.")
    assert Monitoring.objects.exists()


def test_reopening_preserves_proofs(completed: Tenant, consultant: User) -> None:
    settled = list(Check.objects.order_by("pk").values_list("settled_verdict", flat=True))

    reopen_tenant(completed, by=consultant, reason="One more domain.")
    revision = Plan.objects.get(tenant=completed).revision
    reopen_tenant(completed, by=consultant, reason="One more domain.")

    assert list(Check.objects.order_by("pk").values_list("settled_verdict", flat=True)) == settled
    assert Plan.objects.get(tenant=completed).revision == revision
