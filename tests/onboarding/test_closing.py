"""The end: nothing open, and each side's words."""

from __future__ import annotations

import pytest
from django.urls import reverse

from onboarding.closing import CLOSURE, sign_off, still_open
from onboarding.errors import OnboardingError
from onboarding.models import Comment, Task
from onboarding.standing import refresh_states
from tenants.models import Tenant, User
from tests.cast import SignIn, task_of

WORDS = "All mail flows through Mimecast; we watch the held queue until Friday."


def finish_all_but(tenant: Tenant, *keys: str) -> None:
    """Everything but these is accepted as it is, by the facts that the states come from."""
    rows = Task.objects.filter(plan__tenant=tenant, is_group=False).exclude(key__in=keys)
    rows.update(mark="declined")
    refresh_states(tenant.plan)


def test_what_is_open_keeps_the_case_open(tenant: Tenant, owner: User) -> None:
    finish_all_but(tenant, CLOSURE, "training", "awareness-training")

    assert [task.key for task in still_open(tenant.plan)] == ["training"]
    with pytest.raises(OnboardingError, match="Still open: “Training”"):
        sign_off(task_of(tenant, CLOSURE), by=owner, side="client", words=WORDS)
    assert task_of(tenant, CLOSURE).client_confirmed_at is None


def test_the_case_closes_with_both_sides_words(
    tenant: Tenant, owner: User, consultant: User
) -> None:
    finish_all_but(tenant, CLOSURE)

    sign_off(task_of(tenant, CLOSURE), by=owner, side="client", words=WORDS)
    assert task_of(tenant, CLOSURE).state == "half"
    sign_off(task_of(tenant, CLOSURE), by=consultant, side="mimecast", words="Agreed.")

    assert task_of(tenant, CLOSURE).state == "done"
    assert list(Comment.objects.values_list("body", flat=True)) == [WORDS, "Agreed."]


def test_confirming_the_last_step_asks_for_words(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    finish_all_but(tenant, CLOSURE)
    ids = [tenant.public_id, task_of(tenant, CLOSURE).public_id]
    client = signed_in(owner)

    answer = client.post(reverse("onboarding:task-confirm", args=ids))
    assert answer["Location"] == reverse("onboarding:sign-off", args=[tenant.public_id])

    empty = client.post(answer["Location"], {"because": " "})
    assert (empty.status_code, task_of(tenant, CLOSURE).state) == (422, "todo")
    client.post(answer["Location"], {"because": WORDS})
    assert task_of(tenant, CLOSURE).client_confirmed_by == owner


def test_what_is_open_is_named_beside_the_words_and_they_are_kept(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    response = signed_in(owner).post(
        reverse("onboarding:sign-off", args=[tenant.public_id]), {"because": WORDS}
    )

    text = response.content.decode()
    assert response.status_code == 422
    assert "Still open: “Initial conversation" in text
    assert "we watch the held queue until Friday" in text
