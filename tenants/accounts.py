"""The account adapter of the sign-in library: accounts come from invitations only."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

from allauth.account import app_settings as account_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.client_address import client_address
from tenants.email import Email
from tenants.models import User
from tenants.staff_groups import must_use_provider
from tenants.tasks import queue_email
from tenants.throttle import is_within, too_many_requests

# After five wrong passwords an address rejects passwords for this time. Codes and links still work.
FAILURES_WAIT_SECONDS = 300
# An e-mail whose code or link has expired is not sent.
_VALID_SECONDS = {
    "account/email/login_code": settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT,
    "account/email/password_reset_key": settings.PASSWORD_RESET_TIMEOUT,
}


logger = logging.getLogger(__name__)
# E-mails for one address, from all clients. Every visitor can request them for any address.
ACCOUNT_RATE, STRANGER_RATE = "20/d", "3/d"
USE_PROVIDER = "Your role comes from your groups at the provider. Use single sign-on."
TO_STRANGERS = ("account/email/unknown_account", "account/email/account_already_exists")


class InvitationOnlyAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "This e-mail address and password do not match.",
        "incorrect_code": "This code is wrong. Use the code from the newest e-mail.",
        "incorrect_password": "This password is wrong.",
        "too_many_login_attempts": "Too many attempts. Wait a few minutes and try again.",
        "rate_limited": "Too many attempts. Wait a few minutes and try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Behind a Unix socket there is no client address, but the session list needs one."""
        return client_address(request) or "0.0.0.0"

    def is_safe_url(self, url: str) -> bool:
        """Allow this host only. The library would also allow every other name in ALLOWED_HOSTS."""
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={self.request.get_host()}, require_https=self.request.is_secure()
        )

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """A recent sign-in counts as a reauthentication."""
        since = time.time() - account_settings.REAUTHENTICATION_TIMEOUT
        records = get_authentication_records(self.request, self.request.user)
        if any(record["at"] > since for record in records):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Answer too many failures with the page of the other rate limits, not a form error."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError as error:
            response = too_many_requests(request, FAILURES_WAIT_SECONDS)
            raise ImmediateHttpResponse(response) from error

    def pre_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Send a person whose role comes from groups to the provider, which knows the groups."""
        if "sociallogin" not in (signal_kwargs or {}) and must_use_provider(user):
            messages.warning(request, USE_PROVIDER)
            return redirect("account_login")
        answer: HttpResponse | None = super().pre_login(
            request, user, signal_kwargs=signal_kwargs, **kwargs
        )
        return answer

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue the e-mail: waiting for the mail server would reveal that an account exists.

        Above the daily limit of the address nothing is sent, and the page is the same.
        """
        rate = STRANGER_RATE if template_prefix in TO_STRANGERS else ACCOUNT_RATE
        if not is_within("account-email", email.strip().lower(), rate):
            logger.warning("an address has reached its limit of account e-mails for today")
            return
        context = {"request": self.request, "email": email} | context
        message: EmailMessage = self.render_mail(template_prefix, email, context)
        seconds = _VALID_SECONDS.get(template_prefix)
        queue_email(
            Email(email, str(message.subject), str(message.body)),
            valid_for=None if seconds is None else timedelta(seconds=seconds),
        )
