"""A whole implementation for each platform, from the empty plan to the verified closing pack."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onboarding.collaboration.file_store import path_of
from onboarding.lifecycle.closing_pack.verify import faults_in, read_archive
from onboarding.models import ClosingPack, Task, TaskRole, TaskStatus
from onboarding.plan_templates.plan_creation import apply_profile
from tests.checks.engine.mail.signed_messages import SELECTOR
from tests.factories import HostRow
from tests.scenarios import walk_invariants
from tests.scenarios.mail_hosts import OWN_NAME, MailHosts
from tests.scenarios.pages import Pages
from tests.scenarios.walk import PROFILES, Walk

# The pages of this platform are compared once in so many rounds of actions. The nightly walk in
# Chromium compares the pages of each platform in every round.
COMPARED, ROUNDS = "hybrid", 20
# CI walks Microsoft 365 in Chromium.
IN_CI = ("hybrid",)


@pytest.fixture
def make_walk(make_scenario: Any, mail_hosts: MailHosts) -> Any:
    def make(platform: str) -> Walk:
        profile = PROFILES[platform]
        own = (HostRow("delivery", OWN_NAME, mail_hosts.port),) if profile.has_own_host else ()
        scenario = make_scenario(
            ("northwind.test", "primary"),
            platform=platform,
            directory_method=profile.directory_method,
            journaling=True,
            hosts=own,
            # Gangway derives the lab's delivery host for a sample tenant.
            is_sample=profile.is_hosted,
        )
        scenario.tenant.domains.update(dkim_selectors=SELECTOR)
        apply_profile(scenario.tenant)
        return Walk(scenario, mail_hosts, Pages(scenario))

    return make


@pytest.mark.parametrize(
    "platform",
    [pytest.param(p, marks=[] if p in IN_CI else pytest.mark.nightly) for p in PROFILES],
)
def test_implementation_reaches_its_end(make_walk: Any, platform: str) -> None:
    walk = make_walk(platform)
    faults: list[str] = []
    if platform == COMPARED:
        walk.inspect = lambda: faults.extend(
            [] if walk.rounds % ROUNDS else walk_invariants.faults_of(walk)
        )
    walk.publish_records()
    walk.plan_cutovers()
    walk.confirm_delivery_host()

    walk.run()

    tasks = Task.objects.filter(plan=walk.tenant.plan, is_group=False)
    assert walk.open_titles() == {"Implementation case closed"}
    for task in (tasks.get(role=TaskRole.LOCKDOWN), tasks.get(key="configure-journaling")):
        assert TaskStatus(task.status) in (TaskStatus.DONE, TaskStatus.VERIFIED)
    accepted = walk.close()
    profile = PROFILES[platform]
    hosts = profile.has_own_host + profile.is_hosted
    assert sorted(walk.before_lockdown.values()) == ["fail"] * hosts
    assert sorted(walk.lockdown().values()) == ["pass"] * hosts
    assert accepted == ["mx-ttl"]
    assert faults == []
    walk.tenant.refresh_from_db()
    assert walk_invariants.closed_faults(walk) == []
    expect_whole_closing_pack(walk, accepted)
    verified = set(tasks.filter(status=TaskStatus.VERIFIED).values_list("role", flat=True))
    assert TaskRole.SWITCHES_INBOUND in verified
    assert TaskRole.SWITCHES_OUTBOUND in verified


def expect_whole_closing_pack(walk: Walk, accepted: list[str]) -> None:
    """The closing pack has every decision, every fact and every accepted risk."""
    walk.tenant.refresh_from_db()
    assert walk.tenant.completed_at is not None
    pack = ClosingPack.objects.get(tenant=walk.tenant)
    files = read_archive(path_of(pack.stored_as))
    assert faults_in(files, pack.seal) == []
    content = json.loads(files["implementation.json"])
    assert [risk["reason"] for risk in content["residual_risks"]] == [
        "Agreed in the last session." for _ in accepted
    ]
    listed = [task for phase in content["phases"] for task in phase["tasks"]]
    facts = {t["key"]: [fact["value"] for fact in t["facts"]] for t in listed if t["facts"]}
    assert facts["account-creation"][0].endswith("10A100")
    assert facts["initial-conversation"][1] == "Con Sultant\nOw Ner"
    assert facts["recipient-validation"] == ["Any address"]
    assert [t["title"] for t in listed if not t["is_group"] and not t["decision"]] == []
