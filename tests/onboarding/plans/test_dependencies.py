"""The tasks that a task waits for, also through skipped tasks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plans.dependencies import open_dependencies_of
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.statuses import group_status
from tenants.models import Platform, Tenant
from tests.factories import MakeTenant

SKIPPED = [TaskStatus.NOT_APPLICABLE, TaskStatus.DECLINED, TaskStatus.ACCEPTED_RISK]


def make_task(key: str, status: str = "todo", *depends_on: str, optional: bool = False) -> Task:
    return Task(key=key, status=status, depends_on=list(depends_on), is_optional=optional)


def awaited(*tasks: Task) -> list[str]:
    """The keys that the last task waits for."""
    by_key = {task.key: task for task in tasks}
    return [task.key for task in open_dependencies_of(tasks[-1], by_key)]


@pytest.mark.parametrize("status", SKIPPED)
def test_skipped_dependency_passes_on_its_own(status: TaskStatus) -> None:
    a, c = make_task("a"), make_task("c", "todo", "b")

    assert awaited(a, make_task("b", status, "a"), c) == ["a"]
    assert awaited(make_task("a", "done"), make_task("b", status, "a"), c) == []


def test_untouched_optional_dependency_passes_on_its_own() -> None:
    a, c = make_task("a"), make_task("c", "todo", "b")

    assert awaited(a, make_task("b", "todo", "a", optional=True), c) == ["a"]
    assert awaited(a, make_task("b", "in_progress", "a", optional=True), c) == ["b"]


def test_done_dependency_ends_the_chain() -> None:
    assert awaited(make_task("a"), make_task("b", "done", "a"), make_task("c", "todo", "b")) == []


def test_missing_dependency_is_ignored() -> None:
    assert awaited(make_task("c", "todo", "dropped")) == []


def test_skipped_group_passes_on_the_dependencies_of_its_tasks() -> None:
    group = Task(pk=7, key="group", status="not_applicable", is_group=True)
    child = Task(key="child", status="not_applicable", parent_id=7, depends_on=["a"])

    assert awaited(make_task("a"), group, child, make_task("c", "todo", "group")) == ["a"]


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        (["done", "verified"], []),
        (["accepted_risk", "accepted_risk"], ["own", "a", "b"]),
        (["not_applicable", "accepted_risk"], ["own", "a", "b"]),
        (["declined", "accepted_risk"], ["own", "a", "b"]),
        (["done", "accepted_risk"], ["b"]),
        (["declined", "verified"], ["a"]),
        # The other alternative of a group with work that was done.
        (["not_applicable", "done"], []),
        (["todo", "done"], ["group"]),
    ],
)
def test_group_passes_on_dependencies_of_skipped_tasks(
    children: list[str], expected: list[str]
) -> None:
    status = group_status([TaskStatus(each) for each in children], applies=True)
    group = Task(pk=7, key="group", status=status, is_group=True, depends_on=["own"])
    tasks = [
        Task(key=f"child-{name}", status=child, parent_id=7, depends_on=[name])
        for name, child in zip(("a", "b"), children, strict=True)
    ]
    given = [make_task("own"), make_task("a"), make_task("b"), group, *tasks]

    assert awaited(*given, make_task("c", "todo", "group")) == expected


@pytest.mark.parametrize("decision", ["accepted_risk", "not_needed"])
@pytest.mark.parametrize("parent", ["connectivity", "directory-connector"])
def test_skipped_tasks_open_nothing_before_the_account(
    make_tenant: MakeTenant, parent: str, decision: str
) -> None:
    """The decision about every sub-task of a group on the first day opens no other task."""
    tenant = make_tenant(platform="on_premises", directory_method="ldap")
    before = ready_keys(tenant)

    changed = Task.objects.filter(plan__tenant=tenant, parent__key=parent).update(
        manual_status=decision, status_reason="x", accepted_until=timezone.now() + timedelta(days=1)
    )
    recompute_rollup(tenant.plan)

    assert changed
    assert ready_keys(tenant) <= before


@pytest.mark.parametrize(
    "products", [[], sorted(load_template_file().products)], ids=["nothing", "everything"]
)
@pytest.mark.parametrize("platform", Platform.values)
def test_only_work_without_an_account_is_open_at_first(
    make_tenant: MakeTenant, platform: str, products: list[str]
) -> None:
    """The console of Mimecast needs an account, also for a decision about a further product."""
    tenant = make_tenant(platform=platform, directory_method="ldap", products=products)
    roots = {"initial-conversation"}
    if Task.objects.filter(plan__tenant=tenant, role=TaskRole.VERIFIES_MX_TTL, applies=True):
        roots.add("mx-ttl-update")

    assert ready_keys(tenant) == roots


def ready_keys(tenant: Tenant) -> set[str]:
    """The open tasks that wait for nothing."""
    by_key = {task.key: task for task in Task.objects.filter(plan__tenant=tenant)}
    return {
        key
        for key, task in by_key.items()
        if task.is_open_leaf and not open_dependencies_of(task, by_key)
    }


STATUSES = ["todo", "in_progress", "done", "verified", *map(str, SKIPPED)]


@given(
    st.lists(
        st.tuples(st.sampled_from(STATUSES), st.booleans(), st.sets(st.integers(0, 8))),
        min_size=2,
        max_size=9,
    )
)
def test_awaited_tasks_equal_the_definition(
    drawn: list[tuple[str, bool, set[int]]],
) -> None:
    """Dependencies point to earlier tasks, as in a template without a cycle."""
    tasks = [
        make_task(str(n), status, *(str(each) for each in depends if each < n), optional=optional)
        for n, (status, optional, depends) in enumerate(drawn)
    ]
    by_key = {task.key: task for task in tasks}

    def defined(task: Task) -> set[str]:
        found: set[str] = set()
        for each in (by_key[key] for key in task.depends_on):
            is_untouched = each.is_optional and each.status == "todo"
            if each.status in SKIPPED or is_untouched:
                found |= defined(each)
            elif each.status not in ("done", "verified"):
                found.add(each.key)
        return found

    for task in tasks:
        assert {each.key for each in open_dependencies_of(task, by_key)} == defined(task)


@pytest.mark.parametrize("platform", ["microsoft_365", "google_workspace", "exchange", "hybrid"])
def test_only_tasks_without_dependencies_are_open_at_first(
    make_tenant: MakeTenant, platform: str
) -> None:
    tenant = make_tenant(platform=platform, directory_method="ldap")
    by_key = {task.key: task for task in Task.objects.filter(plan__tenant=tenant)}

    ready = ready_keys(tenant)

    assert {"notification-sets", "training"} & ready == set()
    assert ready == {key for key in ready if not by_key[key].depends_on}
