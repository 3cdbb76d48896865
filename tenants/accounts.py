"""How people come in: nobody opens an account for themselves."""

from __future__ import annotations

import time
from typing import Any

from allauth.account import app_settings as account_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.client_address import client_address
from tenants.tasks import EmailContent, queue_email
from tenants.throttle import too_many_requests

# Five wrong passwords for one address close it to passwords for so long; codes and links go on.
FAILURES_WAIT_SECONDS = 300


class InvitationOnlyAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "This address and password do not belong together.",
        "incorrect_code": "This code is not right. Look at the newest message.",
        "incorrect_password": "This is not your password.",
        "too_many_login_attempts": "Too many attempts. Wait a few minutes and try again.",
        "rate_limited": "Too many attempts. Wait a few minutes and try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """A web process behind a Unix socket sees no address; the session list needs one."""
        return client_address(request) or "0.0.0.0"

    def is_safe_url(self, url: str) -> bool:
        """Only this very host: the library would also believe every other name we answer to."""
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={self.request.get_host()}, require_https=self.request.is_secure()
        )

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Who signed in a moment ago is not asked again."""
        since = time.time() - account_settings.REAUTHENTICATION_TIMEOUT
        records = get_authentication_records(self.request, self.request.user)
        if any(record["at"] > since for record in records):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Too many failures answer as every other limit does, rather than as a mistyped field."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError as error:
            response = too_many_requests(request, FAILURES_WAIT_SECONDS)
            raise ImmediateHttpResponse(response) from error

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A worker delivers it: no page waits for a mail server, and none tells by waiting."""
        context = {"request": self.request, "email": email} | context
        message: EmailMessage = self.render_mail(template_prefix, email, context)
        queue_email(EmailContent(str(message.subject), str(message.body), [email]))
