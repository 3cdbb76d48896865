"""A profile as the data of its three forms: the stored values with the changes of a request.

The API validates a profile by the forms of the page, so that both reject the same values with the
same sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onboarding.error_responses import problem_of_forms
from onboarding.lifecycle import domain_removal, tenants
from onboarding.lifecycle.forms.profile import DomainFormSet, HostFormSet, ProfileForm
from onboarding.lifecycle.forms.recipients import refuse_foreign_recipients
from onboarding.lifecycle.tenants import PROFILE_FIELDS, ProfileEntry, host_key
from tenants.domain_lifecycle import entered_fields
from tenants.models import Domain, Host, Tenant, User
from tenants.rest.problems import WHOLE_BODY, ApiError, invalid


@dataclass
class ProfileChange:
    """The changes of a request. Rows are changed by primary key; a removed row is its key.

    `reason`: of the removal, see `ProfileEntry`.
    """

    profile: Mapping[str, Any] = field(default_factory=dict)
    new_domains: Sequence[Mapping[str, Any]] = ()
    new_hosts: Sequence[Mapping[str, Any]] = ()
    changed: Mapping[Domain | Host, Mapping[str, Any]] = field(default_factory=dict)
    removed: Domain | Host | None = None
    reason: str = ""


def save(tenant: Tenant, change: ProfileChange, *, by: User) -> None:
    """Validate and save the profile with the change. Creates a new tenant.

    Raises the 422 error with the sentences of the forms, and the errors of `save_profile`.
    """
    # `_state.adding` survives the validation, which changes the instance.
    domains = list(tenant.domains.all()) if tenant.pk else []
    hosts = list(tenant.hosts.all()) if tenant.pk else []
    profile = ProfileForm(_profile_data(tenant, change.profile), instance=tenant)
    domain_forms = _formset(DomainFormSet, "domains", tenant, domains, change, change.new_domains)
    host_forms = _formset(HostFormSet, "hosts", tenant, hosts, change, change.new_hosts)
    bound = [profile, domain_forms, host_forms]
    # All of them, so that the response has all errors.
    results = [each.is_valid() for each in bound]
    if not all(results) or not refuse_foreign_recipients(domain_forms, host_forms):
        raise _problem(profile, domain_forms, host_forms, len(domains), len(hosts))
    consented = {host_key(row.instance) for row in host_forms.rows() if row.cleaned_data["consent"]}
    removed = domain_removal.removal_effects(tenant, domain_forms.removed() + host_forms.removed())
    entry = ProfileEntry(
        domain_forms.instances(), host_forms.instances(), consented, removed, change.reason
    )
    tenants.save_profile(tenant, entry, by=by)


def _profile_data(tenant: Tenant, changes: Mapping[str, Any]) -> dict[str, Any]:
    stored = {name: getattr(tenant, name) for name in PROFILE_FIELDS} | dict(changes)
    consultant = stored["consultant"]
    # A checkbox without a value is off.
    data = {name: value for name, value in stored.items() if value is not False}
    data["consultant"] = consultant.pk if isinstance(consultant, User) else consultant or ""
    # If-Match has compared the version of the tenant.
    data["expected"] = ProfileForm(instance=tenant).stored_fingerprint
    return data


def _formset(
    formset: Any,
    prefix: str,
    tenant: Tenant,
    rows: Sequence[Domain | Host],
    change: ProfileChange,
    new: Sequence[Mapping[str, Any]],
) -> Any:
    """The bound formset with the stored rows first, then the new ones."""
    data: dict[str, Any] = {
        f"{prefix}-TOTAL_FORMS": len(rows) + len(new),
        f"{prefix}-INITIAL_FORMS": len(rows),
    }
    for number, row in enumerate(rows):
        values = _stored_row(row) | dict(change.changed.get(row, {}))
        values |= {"id": row.pk} | ({"DELETE": "on"} if change.removed == row else {})
        data |= _prefixed(prefix, number, values)
    for number, each in enumerate(new, start=len(rows)):
        data |= _prefixed(prefix, number, each)
    return formset(data, instance=tenant, prefix=prefix)


def _stored_row(row: Domain | Host) -> dict[str, Any]:
    entered = entered_fields(type(row))
    values: dict[str, Any] = {name: getattr(row, name) for name in entered}
    if isinstance(row, Domain):
        return values
    return values | {"consent": row.consented_at is not None}


def _prefixed(prefix: str, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{prefix}-{number}-{name}": value
        for name, value in values.items()
        if value is not None and value is not False
    }


def _problem(
    profile: ProfileForm, domains: Any, hosts: Any, stored_domains: int, stored_hosts: int
) -> ApiError:
    """The sentences of the forms. New rows are numbered as in the request, from 0."""
    errors: dict[str, list[str]] = {
        name: list(sentences) for name, sentences in problem_of_forms(profile).errors.items()
    }
    for formset, stored in ((domains, stored_domains), (hosts, stored_hosts)):
        for number, form in enumerate(formset.forms):
            prefix = f"{formset.prefix}.{number - stored}." if number >= stored else ""
            for name, found in form.errors.items():
                key = f"{prefix}{name}" if name != "__all__" else WHOLE_BODY
                errors.setdefault(key, []).extend(str(sentence) for sentence in found)
        for sentence in formset.non_form_errors():
            errors.setdefault(formset.prefix, []).append(str(sentence))
    return invalid(errors)
