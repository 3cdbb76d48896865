"""Invitations: offering a place in a tenant, and taking it. A link is good once, for a week."""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from tenants.activity_names import ActivityName
from tenants.errors import TenantError
from tenants.models import Invitation, Membership, Tenant, User
from tenants.services import write_activity
from tenants.tokens import LinkPurpose, LinkState, digest_of, issue_token

VALID_FOR = timedelta(days=7)


class InvitationError(TenantError):
    """Why an invitation cannot be made, sent or taken, for the person who wants it."""


def invite(tenant: Tenant, email: str, role: str, *, by: User) -> Invitation:
    """Offer a place. One who is pending is not invited twice, nor one who is a member already."""
    address = email.strip().lower()
    if Membership.objects.filter(tenant=tenant, user__email=address).exists():
        raise InvitationError(f"{address} is a member already; change their role in the list.")
    with transaction.atomic():
        invitation, made = Invitation.objects.get_or_create(
            tenant=tenant,
            email=address,
            accepted_at=None,
            revoked_at=None,
            defaults={"role": role, "invited_by": by, "expires_at": timezone.now() + VALID_FOR},
        )
        if not made:
            raise InvitationError(f"{address} is invited already; send the mail again instead.")
        write_activity(tenant, ActivityName.PERSON_INVITED, by=by, email=address, role=role)
    return invitation


def _pending(invitation: Invitation) -> QuerySet[Invitation]:
    return Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)


def renew(invitation: Invitation, *, by: User) -> None:
    """Make the old link worthless and start another week; the caller sends the new link."""
    with transaction.atomic():
        renewed = _pending(invitation).update(
            token_hash=None, sent_at=None, expires_at=timezone.now() + VALID_FOR, invited_by=by
        )
        if not renewed:
            raise InvitationError("This invitation is no longer pending. Nothing was sent.")
        write_activity(
            invitation.tenant, ActivityName.INVITATION_RESENT, by=by, email=invitation.email
        )


def revoke(invitation: Invitation, *, by: User) -> None:
    with transaction.atomic():
        if not _pending(invitation).update(revoked_at=timezone.now()):
            raise InvitationError("This invitation is no longer pending. Nothing was changed.")
        write_activity(
            invitation.tenant, ActivityName.INVITATION_REVOKED, by=by, email=invitation.email
        )


def revoke_all(invitations: QuerySet[Invitation], *, by: User) -> None:
    """Revoke those of them that are pending."""
    pending = invitations.filter(accepted_at=None, revoked_at=None).select_related("tenant")
    for invitation in pending:
        revoke(invitation, by=by)


def new_link_token(invitation: Invitation) -> str | None:
    """A fresh token for the mail about to be sent; None when there is nothing to send any more."""
    issued = issue_token(LinkPurpose.INVITATION)
    sent = _pending(invitation).update(token_hash=issued.digest, sent_at=timezone.now())
    return issued.token if sent else None


def find(token: str) -> tuple[LinkState, Invitation | None]:
    """What a link's token stands for, and whether it may still be used."""
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
    if found.revoked_at is not None or found.tenant.is_closed:
        return LinkState.REVOKED, found
    return (LinkState.EXPIRED if found.is_expired else LinkState.OPEN), found


def accept(invitation: Invitation, *, by: User) -> Membership:
    """Take the place, once. Of two who press at the same moment, one is refused."""
    if by.email.lower() != invitation.email:
        raise InvitationError(f"This invitation is for {invitation.email}.")
    now = timezone.now()
    with transaction.atomic():
        taken = _pending(invitation).filter(expires_at__gt=now)
        if not taken.update(accepted_at=now, accepted_by=by):
            raise InvitationError("This invitation was used, revoked or ran out in the meantime.")
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
    """Open the account that the invitation is for, and take the place.

    The link came by mail, so the address is proven.
    """
    with transaction.atomic():
        if User.objects.filter(email=invitation.email).exists():
            raise InvitationError("There is an account for this address by now: sign in with it.")
        user = User.objects.create_user(invitation.email, password, name=name)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        accept(invitation, by=user)
    return user
