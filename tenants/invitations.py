"""Invitations to a tenant. A link works once, for a week."""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import QuerySet

from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.errors import TenantError
from tenants.models import ActivityLine, Invitation, Membership, Tenant, User
from tenants.permissions import Permission, may, role_in
from tenants.services import lock_people, write_activity
from tenants.tokens import LinkPurpose, LinkState, digest_of, issue_token

VALID_FOR = timedelta(days=7)
# For one address: of one tenant, and of one sender in all tenants. Invitations of other tenants do
# not count, because the refusal would reveal them.
MAX_EMAILS_A_DAY = 4
_SENDING = (ActivityName.PERSON_INVITED, ActivityName.INVITATION_RESENT)


class InvitationError(TenantError):
    """An invitation cannot be created, sent or accepted."""


def invite(tenant: Tenant, email: str, role: str, *, by: User) -> Invitation:
    """Invite a person. Raises InvitationError for members and for pending invitations."""
    address = email.strip().lower()
    if Membership.objects.filter(tenant=tenant, user__email=address).exists():
        raise InvitationError(f"{address} is already a member. Change the role in the list.")
    with transaction.atomic():
        _refuse_email_bomb(tenant, address, by=by)
        invitation, is_new = Invitation.objects.get_or_create(
            tenant=tenant,
            email=address,
            accepted_at=None,
            revoked_at=None,
            defaults={
                "role": role,
                "invited_by": by,
                "expires_at": database_time.now() + VALID_FOR,
            },
        )
        if not is_new:
            raise InvitationError(f"{address} is already invited. Send the e-mail again instead.")
        write_activity(tenant, ActivityName.PERSON_INVITED, by=by, email=address, role=role)
    return invitation


def _refuse_email_bomb(tenant: Tenant, address: str, *, by: User) -> None:
    """Raise InvitationError when the address has received enough invitations in 24 hours."""
    # The lock makes the count exact: two requests at once would both see the same number.
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    # The sender can invite to several tenants at once.
    lock_people([by.pk])
    since = database_time.now() - timedelta(days=1)
    sent = ActivityLine.objects.filter(action__in=_SENDING, params__email=address, at__gt=since)
    if max(sent.filter(tenant=tenant).count(), sent.filter(actor=by).count()) >= MAX_EMAILS_A_DAY:
        raise InvitationError(
            f"Gangway has sent {MAX_EMAILS_A_DAY} invitations to {address} in the last 24 hours."
            " Send the next one tomorrow."
        )


def _pending(invitation: Invitation) -> QuerySet[Invitation]:
    return Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)


def renew(invitation: Invitation, *, by: User) -> None:
    """Revoke the old link and start a new week. The caller sends the new link.

    Raises InvitationError if it is not pending, or if the address received too many e-mails.
    """
    with transaction.atomic():
        _refuse_email_bomb(invitation.tenant, invitation.email, by=by)
        renewed = _pending(invitation).update(
            token_hash=None, sent_at=None, expires_at=database_time.now() + VALID_FOR, invited_by=by
        )
        if not renewed:
            raise InvitationError("This invitation is no longer pending. No e-mail was sent.")
        write_activity(
            invitation.tenant, ActivityName.INVITATION_RESENT, by=by, email=invitation.email
        )


def revoke(invitation: Invitation, *, by: User | None) -> None:
    with transaction.atomic():
        if not _pending(invitation).update(revoked_at=database_time.now()):
            raise InvitationError("This invitation is no longer pending. Nothing was changed.")
        write_activity(
            invitation.tenant, ActivityName.INVITATION_REVOKED, by=by, email=invitation.email
        )


def revoke_all(invitations: QuerySet[Invitation], *, by: User | None) -> None:
    """Revoke the pending ones among `invitations`."""
    pending = invitations.filter(accepted_at=None, revoked_at=None).select_related("tenant")
    for invitation in pending:
        revoke(invitation, by=by)


def new_link_token(invitation: Invitation) -> str | None:
    """A new token for the next e-mail, or None if the invitation is no longer pending."""
    issued = issue_token(LinkPurpose.INVITATION)
    is_pending = _pending(invitation).update(token_hash=issued.digest)
    return issued.token if is_pending else None


def is_current(invitation: Invitation, token: str) -> bool:
    """Whether the invitation is pending and the token is its newest one."""
    digest = digest_of(token, LinkPurpose.INVITATION)
    return bool(digest) and _pending(invitation).filter(token_hash=digest).exists()


def find(token: str) -> tuple[LinkState, Invitation | None]:
    """The state of a link and its invitation. The invitation is None for an unknown token."""
    digest = digest_of(token, LinkPurpose.INVITATION)
    found = (
        Invitation.objects.select_related("tenant", "invited_by").filter(token_hash=digest).first()
        if digest
        else None
    )
    if found is None:
        return LinkState.UNKNOWN, None
    if found.accepted_at is not None:
        return LinkState.USED, found
    if found.revoked_at is not None or not _may_still_invite(found):
        return LinkState.REVOKED, found
    return (LinkState.EXPIRED if found.is_expired else LinkState.OPEN), found


def _may_still_invite(invitation: Invitation) -> bool:
    """Whether the inviter has the permission now. An invitation does not outlive it."""
    inviter, tenant = invitation.invited_by, invitation.tenant
    return inviter is not None and may(
        role_in(inviter, tenant), Permission.INVITE, is_closed=tenant.is_closed
    )


def accept(invitation: Invitation, *, by: User) -> Membership:
    """Accept the invitation once. The second of two concurrent calls raises InvitationError."""
    if by.email.lower() != invitation.email:
        raise InvitationError(f"This invitation is for {invitation.email}.")
    now = database_time.now()
    with transaction.atomic():
        # A demotion of the inviter waits for the lock, or is seen here.
        Tenant.objects.select_for_update(no_key=True).get(pk=invitation.tenant_id)
        if not _may_still_invite(invitation):
            raise InvitationError("The person who sent this invitation may no longer invite you.")
        open_invitation = _pending(invitation).filter(expires_at__gt=now)
        if not open_invitation.update(accepted_at=now, accepted_by=by):
            raise InvitationError("This invitation was used, revoked or has expired.")
        membership, _ = Membership.objects.update_or_create(
            tenant=invitation.tenant, user=by, defaults={"role": invitation.role}
        )
        write_activity(
            invitation.tenant,
            ActivityName.INVITATION_ACCEPTED,
            by=by,
            email=invitation.email,
            role=invitation.role,
        )
    return membership


def accept_with_new_account(invitation: Invitation, *, name: str, password: str) -> User:
    """Create the account for the invitation's address and accept the invitation.

    The link came by e-mail, so the address counts as verified. Raises InvitationError if an
    account for the address exists.
    """
    with transaction.atomic():
        if User.objects.filter(email=invitation.email).exists():
            raise InvitationError("An account for this address exists now. Sign in with it.")
        user = User.objects.create_user(invitation.email, password, name=name)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        accept(invitation, by=user)
    return user
