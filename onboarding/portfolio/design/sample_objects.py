"""Unsaved objects with which the design page renders the components. No database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django import forms

from onboarding.models import RequirementsSheet, Task
from tenants.models import Domain, Tenant, User

# The addresses of the sample objects lead nowhere.
ID = "sample"


def people() -> tuple[User, User]:
    """A consultant and a client."""
    consultant = User(
        public_id=ID,
        name="Rosa Almeida",
        email="rosa.almeida@gangway.test",
        staff_role=User.StaffRole.CONSULTANT,
    )
    return consultant, User(public_id=ID, name="Jo Lindqvist", email="client@northwind.test")


def sample_tenant(now: datetime, *, is_closed: bool = False) -> Tenant:
    consultant, _ = people()
    return Tenant(
        public_id=ID,
        name="Northwind Traders",
        consultant=consultant,
        time_zone="America/New_York",
        platform="microsoft_365",
        closed_at=now if is_closed else None,
        completed_at=now if is_closed else None,
    )


def sample_task() -> Task:
    return Task(
        public_id=ID,
        key="sample-task",
        title="DKIM Record Update",
        plain_title="Publish the DKIM record",
        responsibility="client",
    )


def sample_domain(tenant: Tenant) -> Domain:
    return Domain(public_id=ID, tenant=tenant, name="northwind.test", role="primary")


def many(items: Sequence[Any]) -> SimpleNamespace:
    """An object with the method of a related manager that templates call."""
    return SimpleNamespace(all=lambda: items)


def sample_comment(now: datetime, **values: object) -> SimpleNamespace:
    consultant, _ = people()
    found = {
        "public_id": ID,
        "author": consultant,
        "author_id": 0,
        "body": "Their DNS provider adds the zone name. Enter **only** the first part.",
        "written_at": now - timedelta(hours=3),
        "mentions": many(()),
        "files": many(()),
    }
    return SimpleNamespace(**found | values)


def sample_sheet(now: datetime) -> RequirementsSheet:
    consultant, _ = people()
    return RequirementsSheet(
        public_id=ID,
        mimecast_signed_at=now,
        mimecast_signed_by=consultant,
        mimecast_sign_off_reason="The session of next week answers the rest.",
    )


class SampleForm(forms.Form):
    """One field of each kind."""

    text = forms.CharField(help_text="For example northwind.test.")
    optional = forms.CharField(required=False)
    day = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}))
    choice = forms.ChoiceField(choices=[("a", "Microsoft 365"), ("b", "Google Workspace")])
    agreed = forms.BooleanField(label="The client agrees that Gangway connects to it")
    products = forms.MultipleChoiceField(
        choices=[("a", "Archive"), ("b", "CyberGraph")], widget=forms.CheckboxSelectMultiple
    )


class SamplePasswordForm(forms.Form):
    password1 = forms.CharField(label="New password", widget=forms.PasswordInput)
    password2 = forms.CharField(label="New password again", widget=forms.PasswordInput)
