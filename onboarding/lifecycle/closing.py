"""Sign-off, closing and reopening of an implementation.

Both sides sign off only without closing obligations (see `plans.closing_obligations`): each task
has a decision, and each residual risk is over or accepted. After both sides signed off:

1. The plan is read-only, and no check reopens a task.
2. The checks continue. A verified check that fails now is a drift.
3. Share links and invitations end.
4. Gangway requests the closing pack.

Reopening needs the permission to close, and a reason. It removes both signatures and withdraws the
accepted residual risks, which remain as history. A task whose proof failed in the closed period is
open again.
"""

from __future__ import annotations

from django.db import transaction

from onboarding.collaboration import share_links
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.errors import OnboardingError
from onboarding.lifecycle.archive.starting import resume_checks
from onboarding.lifecycle.closing_pack.build import request_closing_pack
from onboarding.lifecycle.residual_risks import withdraw_all_acceptances
from onboarding.models import ClosingPack, ShareLink, Task, TaskRole
from onboarding.monitoring.baseline import start_at_closing, start_at_go_live
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from onboarding.plans.transitions import LONGEST_REASON
from onboarding.plans.waiting_on import end_waiting
from tenants import database_time, invitations
from tenants.activity_names import ActivityName
from tenants.models import Invitation, Tenant, User, WebhookEvent
from tenants.notifications import end_for_closed
from tenants.services import write_activity
from tenants.webhooks.events import add_event


def sign_off_implementation(task: Task, *, by: User, side: str, reason: str) -> None:
    """Sign off for one side. The reason becomes a comment on the task. The second side closes.

    Raises OnboardingError if the reason is empty or the side signed before. `confirm_task` raises
    it for a task without a decision, and for a residual risk that is neither over nor accepted.
    """
    if task.role != TaskRole.CLOSURE:
        raise OnboardingError("Only the last task of the plan can be signed off.")
    if not reason.strip():
        raise OnboardingError("Enter a statement that the implementation is complete.")
    with transaction.atomic():
        # Locks the tenant before its tasks: no task reopens between the check and the signature,
        # and no other request closes the tenant.
        Tenant.objects.select_for_update(no_key=True).get(pk=task.plan.tenant_id)
        lock_tasks(task.plan_id)
        if side and getattr(Task.objects.get(pk=task.pk), f"{side}_confirmed_at") is not None:
            raise OnboardingError("Your side has already signed off the implementation.")
        confirm_task(task, by=by, side=side)
        add_comment(task, NewComment(reason), by=by, side=side)
        signed = Task.objects.get(pk=task.pk)
        if signed.mimecast_confirmed_at and signed.client_confirmed_at:
            _close(task.plan.tenant, by=by)


def _close(tenant: Tenant, *, by: User) -> None:
    """Close the tenant as completed. Monitoring continues."""
    now = database_time.now()
    if not Tenant.objects.filter(pk=tenant.pk, closed_at=None).update(
        closed_at=now, completed_at=now
    ):
        return
    tenant.closed_at = tenant.completed_at = now
    end_waiting(tenant.plan, now=now)
    start_at_go_live(tenant, now=now) or start_at_closing(tenant, now=now, by=by)
    revoke_links(tenant, by=by)
    write_activity(tenant, ActivityName.IMPLEMENTATION_COMPLETED, by=by)
    add_event(WebhookEvent.IMPLEMENTATION_CLOSED, tenant, is_completed=True)
    request_closing_pack(tenant, by=by)
    end_for_closed(tenant)
    tenant.plan.touch()


def revoke_links(tenant: Tenant, *, by: User) -> None:
    """Revoke open invitations and share links: access of people without an account."""
    invitations.revoke_all(Invitation.objects.filter(tenant=tenant), by=by)
    share_links.revoke_all(ShareLink.objects.filter(plan__tenant=tenant), by=by)


def reopen_tenant(tenant: Tenant, *, by: User, reason: str) -> None:
    """Open a closed tenant again and remove both signatures.

    Raises OnboardingError without a reason.

    The checks of a completed implementation continued, so their current verdicts apply. The checks
    of another closed tenant stopped: its proofs count again after the next run.
    """
    text = reason.strip()
    if not text:
        raise OnboardingError("Enter a reason for reopening. The tenant is still closed.")
    with transaction.atomic():
        rows = Tenant.objects.filter(pk=tenant.pk, closed_at__isnull=False)
        if not rows.update(closed_at=None, completed_at=None, checks_paused_at=None):
            return
        if tenant.is_paused:
            resume_checks(tenant)
        tenant.closed_at = tenant.completed_at = tenant.checks_paused_at = None
        # A closing pack that is not ready would describe an open implementation.
        ClosingPack.objects.filter(tenant=tenant, ready_at=None).delete()
        withdraw_all_acceptances(tenant, by=by)
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
