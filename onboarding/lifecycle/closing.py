"""The end of an implementation: what is still open, both sides' sign-off in words, and reopening.

Closing the case, once both sides have signed:

1. The plan is kept as it is: nobody changes it, and no check reopens a task of it.
2. Its checks go on: what was proven is watched, and what no longer holds is a drift.
3. Links and invitations that stand in for people end.
4. The closing pack is asked for.

Reopening is one act, by whoever may close, in words: it takes both signatures back, and what broke
meanwhile is an open task again.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from onboarding.collaboration import share_links
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing_pack.build import request_pack
from onboarding.models import ClosingPack, Plan, ShareLink, Task, TaskRole, TaskStatus
from onboarding.monitoring.baseline import start_at_closing, start_at_go_live
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from onboarding.plans.transitions import LONGEST_REASON
from tenants import invitations
from tenants.activity_names import ActivityName
from tenants.models import Invitation, Tenant, User
from tenants.services import write_activity


def tasks_blocking_close(plan: Plan) -> list[Task]:
    """The steps that keep the implementation from closing: neither done, declined nor accepted.

    What is optional and was never begun keeps nothing open.
    """
    tasks = Task.objects.filter(plan=plan, applies=True, is_group=False).exclude(
        role=TaskRole.CLOSURE
    )
    return [
        task
        for task in tasks.select_related("phase")
        if task.is_open_leaf and not (task.is_optional and task.status == TaskStatus.TODO)
    ]


def require_closable(left: Sequence[Task]) -> None:
    if left:
        named = ", ".join(f"“{task.title}”" for task in left[:3])
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        raise OnboardingError(
            f"Still open: {named}{more}. Each step is to be done, declined or accepted first."
        )


def sign_off_implementation(task: Task, *, by: User, side: str, words: str) -> None:
    """One side closes the case in words, which stay with the step. Nothing may be open any more."""
    if task.role != TaskRole.CLOSURE:
        raise OnboardingError("Only the last step of the plan is signed off.")
    if not words.strip():
        raise OnboardingError("Say in your own words that the implementation is complete.")
    with transaction.atomic():
        # Held, the tenant before its tasks, so that nothing opens again between the question and
        # the signature, and nobody closes the tenant in another way meanwhile.
        Tenant.objects.select_for_update(no_key=True).get(pk=task.plan.tenant_id)
        lock_tasks(task.plan_id)
        require_closable(tasks_blocking_close(task.plan))
        if side and getattr(Task.objects.get(pk=task.pk), f"{side}_confirmed_at") is not None:
            raise OnboardingError("Your side has signed the implementation off already.")
        confirm_task(task, by=by, side=side)
        add_comment(task, NewComment(words), by=by, side=side)
        signed = Task.objects.get(pk=task.pk)
        if signed.mimecast_confirmed_at and signed.client_confirmed_at:
            _close(task.plan.tenant, by=by)


def _close(tenant: Tenant, *, by: User) -> None:
    """Close the case: the plan rests, the watch goes on."""
    now = timezone.now()
    if not Tenant.objects.filter(pk=tenant.pk, closed_at=None).update(
        closed_at=now, completed_at=now
    ):
        return
    tenant.closed_at = tenant.completed_at = now
    start_at_go_live(tenant, now=now) or start_at_closing(tenant, now=now, by=by)
    revoke_links(tenant, by=by)
    write_activity(tenant, ActivityName.IMPLEMENTATION_COMPLETED, by=by)
    request_pack(tenant, by=by)
    tenant.plan.touch()


def revoke_links(tenant: Tenant, *, by: User) -> None:
    """Withdraw what lets people in who have no account yet, or none at all."""
    invitations.revoke_all(Invitation.objects.filter(tenant=tenant), by=by)
    share_links.revoke_all(ShareLink.objects.filter(plan__tenant=tenant), by=by)


def reopen_tenant(tenant: Tenant, *, by: User, reason: str) -> None:
    """Take up the work again, in words; both signatures are taken back.

    Where the case had been completed, the checks went on, and what was proven stands or is broken
    by what they say now. Where it had not, what was proven counts once a check has seen it anew.
    """
    text = reason.strip()
    if not text:
        raise OnboardingError("Say why it is opened again. It is still closed.")
    with transaction.atomic():
        rows = Tenant.objects.filter(pk=tenant.pk, closed_at__isnull=False)
        if not rows.update(closed_at=None, completed_at=None):
            return
        tenant.closed_at = tenant.completed_at = None
        # One that no worker has made yet would be of a case that is open again.
        ClosingPack.objects.filter(tenant=tenant, ready_at=None).delete()
        apply_profile(tenant)
        Task.objects.filter(plan__tenant=tenant, role=TaskRole.CLOSURE).update(
            mimecast_confirmed_at=None,
            mimecast_confirmed_by=None,
            client_confirmed_at=None,
            client_confirmed_by=None,
            undo=None,
        )
        write_activity(tenant, ActivityName.TENANT_REOPENED, by=by, reason=text[:LONGEST_REASON])
        recompute_rollup(tenant.plan)
        tenant.plan.touch()
