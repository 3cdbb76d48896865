"""The forms for people: invitations, roles, new accounts, staff, API tokens."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from tenants import database_time
from tenants.errors import CHOOSE_ROLE, CHOOSE_STAFF_ROLE
from tenants.models import ApiToken, Membership, Tenant, User
from tenants.queries import tenants_for


class InviteForm(forms.Form):
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages={"invalid": "This is not an e-mail address."},
    )
    role = forms.ChoiceField(choices=Membership.Role, initial=Membership.Role.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(
        label="Role",
        choices=Membership.Role,
        error_messages={"required": CHOOSE_ROLE, "invalid_choice": CHOOSE_ROLE},
    )


class NewAccountForm(forms.Form):
    """The new account of an invitation. Its e-mail address is the invitation's."""

    name = forms.CharField(
        label="Your name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Longer is better than special characters.",
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        password = cleaned.get("password", "")
        if password:
            person = User(email=self.email, name=cleaned.get("name", ""))
            try:
                password_validation.validate_password(password, person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class FirstAdministratorForm(NewAccountForm):
    """The account of the first administrator. The link of the operator allows it."""

    address = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages={"invalid": "This is not an e-mail address."},
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
        help_text="You sign in with it. Gangway sends its test e-mail to it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, email="", **kwargs)
        self.order_fields(["name", "address", "password"])

    def clean_address(self) -> str:
        # The check of the password compares it with the address.
        self.email = str(self.cleaned_data["address"]).lower()
        return self.email


class StaffForm(forms.Form):
    role = forms.ChoiceField(
        label="Role",
        choices=[c for c in User.StaffRole.choices if c[0]],
        error_messages={"required": CHOOSE_STAFF_ROLE, "invalid_choice": CHOOSE_STAFF_ROLE},
    )
    followed_consultants = forms.ModelMultipleChoiceField(
        label="Show only the tenants of these consultants",
        help_text="Select none to show all tenants.",
        queryset=User.objects.filter(staff_role=User.StaffRole.CONSULTANT, origin_id=""),
        to_field_name="public_id",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "invalid_choice": (
                "One of the selected people is not a consultant. Choose only consultants."
            )
        },
    )

    def role_and_followed(self) -> tuple[str, list[User]]:
        """The role, and the followed consultants; none unless the role is manager."""
        role = str(self.cleaned_data["role"])
        is_manager = role == User.StaffRole.MANAGER
        return role, list(self.cleaned_data["followed_consultants"]) if is_manager else []


class NewStaffForm(forms.Form):
    """A new member of staff, who sets a password with the link in the e-mail."""

    name = forms.CharField(label="Name", max_length=100)
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages={"invalid": "This is not an e-mail address."},
    )
    role = forms.ChoiceField(
        label="Role",
        choices=[c for c in User.StaffRole.choices if c[0]],
        initial=User.StaffRole.CONSULTANT,
    )

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.filter(email__iexact=email).exists():
            raise ValidationError("A person with this e-mail address already exists.")
        return email


class ApiTokenForm(forms.Form):
    """A new API token of the signed-in person."""

    name = forms.CharField(
        max_length=60,
        strip=True,
        label="Name",
        help_text="The program that uses the token, such as Service desk.",
    )
    scope = forms.ChoiceField(
        choices=ApiToken.Scope.choices,
        initial=ApiToken.Scope.READ,
        label="Scope",
        help_text="A token never has more rights than you have.",
    )
    tenant = forms.ModelChoiceField(
        Tenant.objects.none(),
        to_field_name="public_id",
        required=False,
        empty_label="All tenants that you can see",
        label="Tenant",
    )
    expires_on = forms.DateField(
        label="Expires on",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Within one year. The token works until the end of this day, UTC.",
        error_messages={"invalid": "Enter a day, such as 2026-12-31."},
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["tenant"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = tenants_for(owner)
        self.fields["expires_on"].initial = database_time.now().date() + timedelta(days=90)

    @property
    def expires_at(self) -> datetime:
        """The end of the chosen day."""
        return datetime.combine(self.cleaned_data["expires_on"], time(23, 59, 59), tzinfo=UTC)
