"""Share links: access to one task or one domain for a person without an account."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from onboarding.errors import OnboardingError
from onboarding.models import Plan, ShareLink, Task
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Domain, Tenant, User
from tenants.permissions import Permission, may, role_in
from tenants.services import write_activity
from tenants.tokens import LinkPurpose, LinkState, digest_of, issue_token


def create_share_link(
    plan: Plan, subject: Task | Domain, *, recipient: str, days: int, by: User
) -> tuple[ShareLink, str]:
    """A share link for one task or one domain, and its token. Only the hash of the token is stored.

    Raises OnboardingError for a task without shareable content.
    """
    if isinstance(subject, Task) and (subject.is_group or not subject.applies):
        raise OnboardingError("This task has no content to share.")
    issued = issue_token(LinkPurpose.SHARE_LINK)
    is_task = isinstance(subject, Task)
    with transaction.atomic():
        link = ShareLink.objects.create(
            plan=plan,
            task=subject if isinstance(subject, Task) else None,
            domain=subject if isinstance(subject, Domain) else None,
            recipient=recipient,
            token_hash=issued.digest,
            created_by=by,
            expires_at=database_time.now() + timedelta(days=days),
        )
        write_activity(
            plan.tenant,
            ActivityName.SHARE_LINK_CREATED,
            by=by,
            share_link=link.public_id,
            recipient=recipient,
            subject=str(subject),
            of="task" if is_task else "domain",
            expires_at=link.expires_at.isoformat(),
        )
    return link, issued.token


def find(token: str) -> tuple[LinkState, ShareLink | None]:
    """The state of the link with this token, and the link itself while it is valid."""
    digest = digest_of(token, LinkPurpose.SHARE_LINK)
    related = ShareLink.objects.select_related("plan__tenant", "task", "domain", "created_by")
    found = related.filter(token_hash=digest).first() if digest else None
    if found is None:
        return LinkState.UNKNOWN, None
    if found.revoked_at is not None or not _may_still_share(found):
        return LinkState.REVOKED, found
    return (LinkState.EXPIRED if found.is_expired else LinkState.OPEN), found


def _may_still_share(link: ShareLink) -> bool:
    """Whether the creator has the permission now. A link does not outlive it."""
    tenant = link.plan.tenant
    return link.created_by is not None and may(
        role_in(link.created_by, tenant), Permission.SHARE, is_closed=tenant.is_closed
    )


def revoke(link: ShareLink, *, by: User | None) -> None:
    """Revoke the link from the next request on. Idempotent."""
    with transaction.atomic():
        rows = ShareLink.objects.filter(pk=link.pk, revoked_at=None)
        if rows.update(revoked_at=database_time.now()):
            write_activity(
                link.plan.tenant,
                ActivityName.SHARE_LINK_REVOKED,
                by=by,
                share_link=link.public_id,
                recipient=link.recipient,
            )


def revoke_all(links: QuerySet[ShareLink], *, by: User | None) -> None:
    for link in links.filter(revoked_at=None).select_related("plan__tenant"):
        revoke(link, by=by)


def log_use(link: ShareLink, action: ActivityName) -> None:
    """Log a view or an action of a person without an account. The address and the agent come from
    the request."""
    write_activity(
        link.plan.tenant,
        action,
        share_link=link.public_id,
        recipient=link.recipient,
        subject=str(link),
    )


def log_view(link: ShareLink) -> None:
    with transaction.atomic():
        ShareLink.objects.filter(pk=link.pk).update(
            views=F("views") + 1, viewed_at=database_time.now()
        )
        log_use(link, ActivityName.SHARE_LINK_VIEWED)


def share_links_of(tenant: Tenant) -> QuerySet[ShareLink]:
    return (
        ShareLink.objects.filter(plan__tenant=tenant)
        .select_related("task", "domain", "created_by")
        .order_by("-created_at")
    )
