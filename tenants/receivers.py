"""Writes sign-ins and changes of credentials to the activity log.

The signals belong to Django and to the sign-in library. Gangway sends only `runs_recorded`.
"""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account_signals
from allauth.mfa import signals as factor_signals
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from tenants import single_sign_on, staff_groups
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import log_sign_in


@receiver(account_signals.user_logged_in)
def on_signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    log_sign_in(user, ActivityName.SIGNED_IN, request, methods=_methods(request))
    if "sociallogin" in kwargs:
        single_sign_on.remember_session(request, kwargs["sociallogin"])
    if "sociallogin" in kwargs and user.is_mimecast and staff_groups.are_used():
        staff_groups.limit_session(request)


@receiver(user_login_failed)
def on_sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    log_sign_in(
        None, ActivityName.SIGN_IN_FAILED, request, address=str(credentials.get("email", ""))[:254]
    )


@receiver(account_signals.login_code_rejected)
def on_code_rejected(request: HttpRequest, user: User, **kwargs: Any) -> None:
    log_sign_in(user, ActivityName.SIGN_IN_CODE_REJECTED, request)


@receiver(user_logged_out)
def on_signed_out(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    # An interrupted sign-in also ends a session, but one without a user.
    if user is not None:
        log_sign_in(user, ActivityName.SIGNED_OUT, request)


@receiver([account_signals.password_changed, account_signals.password_set])
def on_password_changed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    log_sign_in(user, ActivityName.PASSWORD_CHANGED, request)


@receiver(account_signals.password_reset)
def on_password_reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    log_sign_in(user, ActivityName.PASSWORD_RESET, request)


@receiver(factor_signals.authenticator_added)
def on_factor_added(
    request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    log_sign_in(user, ActivityName.SECOND_FACTOR_ADDED, request, factor=authenticator.type)


@receiver(factor_signals.authenticator_removed)
def on_factor_removed(
    request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    log_sign_in(user, ActivityName.SECOND_FACTOR_REMOVED, request, factor=authenticator.type)


@receiver(factor_signals.authenticator_reset)
def on_recovery_codes_generated(request: HttpRequest, user: User, **kwargs: Any) -> None:
    log_sign_in(user, ActivityName.RECOVERY_CODES_GENERATED, request)


@receiver(factor_signals.authentication_failed)
def on_factor_failed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    log_sign_in(user, ActivityName.SECOND_FACTOR_FAILED, request)


def _methods(request: HttpRequest) -> list[str]:
    """The methods of this sign-in, in order. The library stores them in the session."""
    records = request.session.get("account_authentication_methods", [])
    return [str(record.get("type", record.get("method", ""))) for record in records]
