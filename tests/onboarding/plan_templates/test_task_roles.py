"""Tests of the roles of tasks in the template, plans, the editor and the migration."""

from __future__ import annotations

import ast
import copy
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from onboarding.errors import OnboardingError
from onboarding.models import Plan, PlanTemplate, RequirementsSheet, Task, TaskRole, TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.content import Content, ContentError, as_content, read_content
from onboarding.plan_templates.descriptions import describe_role_effect
from onboarding.plan_templates.diff import diff, losses
from onboarding.plan_templates.draft_content import find, remove_entry
from onboarding.plan_templates.registry import (
    TEMPLATES_DIR,
    newest_template,
    register_builtin_templates,
    template_version_of,
)
from onboarding.plan_templates.schema import TemplateVersion
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plan_templates.upgrade import preview, upgrade_plan
from onboarding.plans.services import confirm_task
from onboarding.requirements.definitions import DEFINITIONS
from tenants.models import Tenant, User
from tests.factories import task_of
from tests.onboarding.plan_templates.drafts import draft_task, publish_changed
from tests.test_house_rules import text_of, tracked

NEWEST = load_template_file()
FILES = sorted(TEMPLATES_DIR.glob("mimecast-*.yaml"))
# Role names are no keys.
MAY_NAME_KEYS = {"onboarding/models/task_roles.py"}


def _changed(change: Callable[[Content], Any]) -> TemplateVersion:
    content = copy.deepcopy(as_content(NEWEST))
    change(content)
    return read_content(content)


def _move_role(content: Content) -> None:
    """To a task of another key."""
    draft_task(content, "digest-review").entry["role"] = draft_task(
        content, "mx-record-cutover"
    ).entry.pop("role")


# --- The shipped templates and the code


# Roles that are younger than the first two versions, by the version that added them.
ADDED = {
    TaskRole.GATHERS_IMPERSONATION_VIPS: 3,
    TaskRole.GATHERS_SETUP_CHECKLIST: 3,
    TaskRole.DECOMMISSION: 4,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_template_has_every_role(path: Path) -> None:
    version = load_template_file(path)
    roles = [task.role for task in version.tasks if task.role]
    wanted = {role for role in TaskRole if ADDED.get(role, 1) <= version.version}

    assert set(roles) == wanted
    assert len([role for role in roles if TaskRole(role).is_unique]) == len(wanted) - 1


def test_each_sheet_kind_has_one_role() -> None:
    kinds = [role.sheet_kind for role in TaskRole if role.sheet_kind]

    assert kinds == list(DEFINITIONS)


@pytest.mark.parametrize("role", TaskRole)
def test_each_role_has_an_effect(role: TaskRole) -> None:
    assert describe_role_effect(role).endswith(".")


def _keys() -> set[str]:
    versions = [load_template_file(path) for path in FILES]
    phases = {phase.key for version in versions for phase in version.phases}
    return phases | {task.key for version in versions for task in version.tasks}


def _literals(file: Path) -> Iterator[str]:
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text_of(file))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    else:
        yield from (found[1] for found in re.finditer(r"""["']([a-z0-9-]+)["']""", text_of(file)))


@pytest.mark.slow
def test_code_and_pages_name_no_task_key() -> None:
    roots = {"onboarding", "checks", "tenants", "templates"}
    files = [
        file
        for file in tracked(".py", ".html", ".txt")
        if file.parts[0] in roots and str(file) not in MAY_NAME_KEYS
    ]
    keys = _keys()

    named = {f"{file}: {text}" for file in files for text in _literals(file) if text in keys}

    assert named == set()


# --- Reading


def test_unknown_role_is_refused() -> None:
    with pytest.raises(
        ContentError, match="“role” is “boss”, but must be one of closure, "
    ) as refused:
        _changed(lambda content: draft_task(content, "training").entry.update(role="boss"))

    assert refused.value.place[-1] == "role"


def test_second_task_with_unique_role_is_refused() -> None:
    reason = "“outbound-cutover” has this role already"

    with pytest.raises(ContentError, match=reason) as refused:
        _changed(
            lambda content: draft_task(content, "training").entry.update(role="switches-outbound")
        )

    assert refused.value.place[-1] == "role"


def test_directory_role_may_repeat() -> None:
    after = _changed(lambda content: draft_task(content, "training").entry.update(role="directory"))

    assert len([task for task in after.tasks if task.role == TaskRole.DIRECTORY]) == 7


# --- Losses


def test_changed_role_is_a_difference() -> None:
    change = _changed(lambda content: draft_task(content, "branding").entry.pop("role"))

    (found,) = diff(NEWEST, change).changed

    assert [(c.field, c.before, c.after) for c in found.changes] == [
        ("Role in Gangway", "Sheet: branding", "")
    ]


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (
            lambda content: draft_task(content, "branding").entry.pop("role"),
            [
                "“Branding” had the role “Sheet: branding”, and no task has it now."
                " New plans have no requirements sheet of this kind."
            ],
        ),
        (
            lambda content: remove_entry(content, draft_task(content, "tls-requirements")),
            [
                "“TLS Requirements” had the role “Sheet: TLS partners”, and no task has it now."
                " New plans have no requirements sheet of this kind."
            ],
        ),
        (
            lambda content: draft_task(content, "manual-import").entry.pop("role"),
            [
                "“Manual Import” loses the role “Synchronises the directory”."
                " The readiness list does not ask for the directory."
            ],
        ),
        (_move_role, []),
    ],
)
def test_lost_role_is_named(change: Callable[[Content], Any], lost: list[str]) -> None:
    assert losses(NEWEST, _changed(change)) == lost


# --- Drafts


@pytest.fixture
def draft(consultant: User) -> TemplateDraft:
    register_builtin_templates()
    newest = newest_template()
    assert newest is not None
    return drafts.create_draft(newest, by=consultant)


def _save_role(key: str, role: str, by: User) -> None:
    found = find(TemplateDraft.objects.get().content, key)
    assert found is not None
    phase = found.phase["key"]
    entry = {k: v for k, v in found.entry.items() if k != "role"} | ({"role": role} if role else {})
    drafts.save_task(
        entry, phase=phase, key=key, expected=drafts.fingerprint(found.entry, phase), by=by
    )


def test_lost_role_needs_an_administrator(draft: TemplateDraft, consultant: User) -> None:
    _save_role("branding", "", consultant)

    with pytest.raises(OnboardingError, match="An administrator must accept"):
        drafts.publish(note="No branding.", expected=1, accepts_losses=False, by=consultant)
    made = drafts.publish(note="No branding.", expected=1, accepts_losses=True, by=consultant)

    assert "gathers:branding" not in {task.role for task in template_version_of(made).tasks}


def test_second_unique_role_is_refused_in_a_draft(draft: TemplateDraft, consultant: User) -> None:
    with pytest.raises(drafts.InvalidDraft) as refused:
        _save_role("training", TaskRole.LOCKDOWN, consultant)

    assert refused.value.field == "role"
    assert str(refused.value) == "“Firewall/Connection Lockdown” has this role already."


def test_closing_task_keeps_its_role(draft: TemplateDraft, consultant: User) -> None:
    with pytest.raises(drafts.InvalidDraft) as refused:
        _save_role("case-closure", "", consultant)

    assert (refused.value.field, str(refused.value)) == ("role", "The closing task keeps its role.")


# --- Plans


def test_plan_copies_the_roles(tenant: Tenant) -> None:
    roles = dict(Task.objects.filter(plan=tenant.plan).exclude(role="").values_list("key", "role"))

    assert roles == {task.key: task.role for task in NEWEST.tasks if task.role}


def test_unique_role_has_one_task_in_a_plan(tenant: Tenant) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.filter(plan=tenant.plan, key="training").update(role=TaskRole.CLOSURE)


def test_upgrade_moves_a_role(tenant: Tenant, consultant: User) -> None:
    upgrade_plan(tenant.plan, publish_changed(_move_role), expected=NEWEST.version, by=consultant)

    assert task_of(tenant, "digest-review").role == TaskRole.SWITCHES_INBOUND
    assert task_of(tenant, "mx-record-cutover").role == ""


def test_upgrade_moves_a_role_from_a_kept_task(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    confirm_task(task_of(tenant, "branding"), by=owner, side="client", signed=True)

    def replace(content: Content) -> None:
        remove_entry(content, draft_task(content, "branding"))
        draft_task(content, "training").entry["role"] = "gathers:branding"

    upgrade_plan(tenant.plan, publish_changed(replace), expected=NEWEST.version, by=consultant)

    kept = task_of(tenant, "branding")
    assert (kept.is_custom, kept.role) == (True, "")
    assert RequirementsSheet.objects.get(task=task_of(tenant, "training")).kind == "branding"


def test_upgrade_leaves_a_dropped_role_with_its_kept_task(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    confirm_task(task_of(tenant, "branding"), by=owner, side="client", signed=True)
    target = publish_changed(lambda content: remove_entry(content, draft_task(content, "branding")))

    lost = preview(tenant.plan, target).lost
    upgrade_plan(tenant.plan, target, expected=NEWEST.version, by=consultant)

    assert [sentence for sentence in lost if "Sheet: branding" in sentence] != []
    assert task_of(tenant, "branding").role == TaskRole.GATHERS_BRANDING


# --- Migration


@pytest.fixture
def without_roles(tenant: Tenant, draft: TemplateDraft) -> Plan:
    """Rows as they were before tasks had roles."""
    for template in PlanTemplate.objects.all():
        PlanTemplate.objects.filter(pk=template.pk).update(content=_stripped(template.content))
    TemplateDraft.objects.update(content=_stripped(draft.content))
    Task.objects.update(role="")
    return tenant.plan


def _stripped(content: Content) -> Content:
    stripped = copy.deepcopy(content)
    for phase in stripped["phases"]:
        for entry in phase["tasks"]:
            entry.pop("role", None)
    return stripped


def _migrate(direction: str) -> None:
    migration = importlib.import_module("onboarding.migrations.0033_task_role_values")
    getattr(migration, direction)(apps, None)


def _early_roles(version: TemplateVersion) -> dict[str, str]:
    """The roles by task that the migration knows."""
    return {task.key: task.role for task in version.tasks if task.role and task.role not in ADDED}


def test_migration_gives_plans_their_roles(without_roles: Plan) -> None:
    _migrate("forwards")

    roles = dict(
        Task.objects.filter(plan=without_roles).exclude(role="").values_list("key", "role")
    )
    assert roles == _early_roles(NEWEST)


def test_migration_gives_versions_their_roles(without_roles: Plan) -> None:
    _migrate("forwards")

    read = [template_version_of(each) for each in PlanTemplate.objects.order_by("version")]
    files = [load_template_file(path) for path in FILES]
    assert read[:2] == files[:2]
    assert list(map(_early_roles, read)) == list(map(_early_roles, files))


def test_migration_gives_the_draft_its_roles(without_roles: Plan) -> None:
    _migrate("forwards")

    draft = TemplateDraft.objects.get()
    assert draft.content == draft.base.content


def test_migration_leaves_edited_versions_readable(without_roles: Plan) -> None:
    def edit(content: Content) -> None:
        remove_entry(content, draft_task(content, "branding"))
        draft_task(content, "training").entry["title"] = "Train everybody"

    edited = publish_changed(edit)

    _migrate("forwards")
    edited.refresh_from_db()

    roles = {task.key: task.role for task in template_version_of(edited).tasks}
    assert (roles["spf-update"], roles["training"]) == ("verifies:spf", "")


def test_migration_is_reversible(without_roles: Plan) -> None:
    before = [each.content for each in PlanTemplate.objects.order_by("version")]

    _migrate("forwards")
    _migrate("backwards")

    assert [each.content for each in PlanTemplate.objects.order_by("version")] == before
    assert not Task.objects.exclude(role="").exists()
