"""Instructions match the tenant: its platform, both sides of a hybrid, and the reader's side."""

from __future__ import annotations

import re

import pytest

from onboarding.models import Task
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plans.services import actor_for
from onboarding.plans.tenant_values import who_enters
from onboarding.plans.transitions import SET_FIELDS, TransitionContext, why_not
from tenants.models import Platform, Tenant, User

TEMPLATE = load_template_file()
EXCHANGE_SHELL = re.compile(
    r"\b(?:Get|New|Set)-(?:Receive|Send)Connector\b|Exchange Management Shell"
)
EXCHANGE = ("on_premises", "hybrid")


@pytest.mark.parametrize("platform", Platform.values)
def test_exchange_commands_are_for_exchange_only(platform: str) -> None:
    shown = {
        task.key
        for task in TEMPLATE.tasks
        for runbook in task.runbooks
        for step in runbook.steps
        if EXCHANGE_SHELL.search(f"{step.text} {step.command}")
        and (runbook.applies_when is None or runbook.applies_when.matches({"platform": platform}))
    }

    assert bool(shown) == (platform in EXCHANGE)


def test_sides_of_a_hybrid_have_different_journal_addresses() -> None:
    """Both sides of a hybrid cannot journal to one subdomain."""
    (task,) = [each for each in TEMPLATE.tasks if each.key == "configure-journaling"]
    commands = [
        [step.command for step in runbook.steps if step.command]
        for runbook in task.runbooks
        if runbook.applies_when is not None and runbook.applies_when.matches({"platform": "hybrid"})
    ]

    with_value = [each for each in commands if "{journal_address}" in " ".join(each)]
    assert (len(commands), len(with_value)) == (2, 1)
    assert len({command for each in commands for command in each}) == sum(map(len, commands))


def test_former_signing_ends_after_the_cutover() -> None:
    """The DKIM task is verified before the cutover, so its page is no place for this work."""
    by_key = {task.key: task for task in TEMPLATE.tasks}
    former = by_key["former-dkim-signing"]

    assert former.depends_on == ("outbound-cutover",)
    texts = [step.text for book in by_key["dkim-update"].runbooks for step in book.steps]
    assert [text for text in texts if "After the" in text] == []


def test_client_is_not_sent_to_a_field_of_mimecast(tenant: Tenant, owner: User) -> None:
    """Only Mimecast’s side can save the account code."""
    task = Task.objects.get(plan=tenant.plan, key="account-creation")
    actor = actor_for(owner, tenant)

    assert why_not(task, SET_FIELDS, actor, TransitionContext())
    assert who_enters("account_code").startswith("A consultant enters")
