"""Erasure: delete all data of a tenant, and of the people who belong to no other tenant."""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from checks.models import Check, HostAnswer
from onboarding.collaboration import file_store
from onboarding.errors import OnboardingError
from onboarding.lifecycle.erased_names import forget_in_imports, forget_in_saved_views
from onboarding.lifecycle.exports import EXPORTED_MODELS, user_columns
from onboarding.models import (
    CalendarFeed,
    ClosingPack,
    Contact,
    Cutover,
    EvidenceFile,
    RequirementsSheet,
    SavedView,
    Task,
    TenantExport,
)
from tenants import outbox
from tenants.activity import lock_chain
from tenants.activity_names import ActivityName
from tenants.erasable_addresses import AddressMatch, erase_addresses, with_earlier_addresses
from tenants.models import (
    ActivityChain,
    ActivityLine,
    ApiToken,
    Domain,
    ErasurePermit,
    Host,
    IdempotentRequest,
    Invitation,
    Membership,
    ProviderGrant,
    ProvisionedPerson,
    Tenant,
    User,
)
from tenants.queries import people_with_role_or_directory
from tenants.services import end_sessions, lock_people, write_activity

_OUR_APPS = {"tenants", "checks", "onboarding"}


def erase_tenant(tenant: Tenant, *, typed: str, by: User) -> None:
    """Delete all data of a tenant permanently, including its activity log and files.

    1. The typed name must match, which prevents erasure by habit. Otherwise raises OnboardingError.
    2. People without another tenant become anonymous, deactivated accounts, because other logs
       refer to them. This includes people who were members earlier.
    3. Their addresses, and those at the tenant's domains, leave the lines of the audit log.
    4. Saved views of the staff lose the names of the tenant. Imports of files with it are deleted.
    5. A line of the audit log records who erased which tenant, and the lines without an address.
    """
    if typed.strip() != tenant.name:
        raise OnboardingError("The name does not match. Nothing was erased.")
    with transaction.atomic():
        people = _lock_all(tenant)
        match = _addresses_of(tenant, people)
        for person in people:
            _anonymize(person)
        forget_in_saved_views(tenant)
        forget_in_imports(tenant)
        for address in match.addresses:
            outbox.forget(address, tenant=tenant, has_account=address in match.remaining)
        _clean_sessions(match)
        paths = _stored_files(tenant)
        head = ActivityChain.objects.get(scope=tenant.public_id)
        ErasurePermit.objects.create(tenant=tenant)
        erased = erase_addresses(match)
        _delete_rows(tenant)
        write_activity(
            None,
            ActivityName.TENANT_ERASED,
            by=by,
            name=tenant.name,
            erased=tenant.public_id,
            lines=head.length,
            head=head.head,
            files=len(paths),
            erased_addresses=erased.lines,
            emptied_lines=erased.emptied_lines,
        )
        file_store.remove_on_commit(paths)


def _delete_rows(tenant: Tenant) -> None:
    """Delete the tenant. Its permit, which allows the deletion of the lines, goes with it."""
    hosts = set(Host.all_objects.filter(tenant=tenant).values_list("name", flat=True))
    hosts -= set(Host.all_objects.exclude(tenant=tenant).values_list("name", flat=True))
    HostAnswer.objects.filter(host__in=hosts).delete()
    ActivityLine.objects.filter(tenant=tenant).delete()
    ActivityChain.objects.filter(scope=tenant.public_id).delete()
    Tenant.objects.get(pk=tenant.pk).delete()


def _lock_all(tenant: Tenant) -> list[User]:
    """Lock the rows that other transactions lock, in their order, before the tenant's deletion.

    Returns the people who belong to this tenant alone.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    people = _people_of_this_tenant_only(tenant)
    lock_people(each.pk for each in people)
    for rows in (
        Domain.all_objects.filter(tenant=tenant).order_by("pk"),
        Host.all_objects.filter(tenant=tenant).order_by("pk"),
        Cutover.objects.filter(plan__tenant=tenant).order_by("pk"),
        RequirementsSheet.objects.filter(task__plan__tenant=tenant).order_by("pk"),
        Task.objects.filter(plan__tenant=tenant).order_by("position"),
        Check.objects.filter(tenant=tenant).order_by("pk"),
    ):
        list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))
    lock_chain(tenant)
    return people


def _people_of_this_tenant_only(tenant: Tenant) -> list[User]:
    """The client's people whom a row of the tenant names, without a membership elsewhere.

    The log names members who were removed and left no other row.
    """
    ids: set[int] = set()
    for model, path in EXPORTED_MODELS.values():
        rows = model._base_manager.filter(**{path: tenant.pk})
        for column in user_columns(model):
            ids.update(rows.exclude(**{column: None}).values_list(column, flat=True).distinct())
    params = _lines_of_this_place(tenant).values_list("params", flat=True)
    logged = {each.get(key) for each in params.iterator() for key in ("person", "email")}
    emails = {each.lower() for each in logged if isinstance(each, str)}
    is_named = Q(pk__in=ids) | Q(email__in=emails)
    # These do not include the staff of an imported archive, who belong to its tenant alone.
    staff = people_with_role_or_directory().values("pk")
    people = User.objects.filter(is_named).exclude(pk__in=staff)
    elsewhere = Membership.objects.exclude(tenant=tenant).values("user")
    return list(people.exclude(pk__in=elsewhere).order_by("pk"))


def _lines_of_this_place(tenant: Tenant) -> QuerySet[ActivityLine]:
    """The lines since the import of the tenant. The archive wrote the earlier ones: an address in
    them must not erase an account of this installation."""
    lines = ActivityLine.objects.filter(tenant=tenant)
    imports = lines.filter(action=ActivityName.TENANT_IMPORTED)
    last = imports.order_by("-number").values_list("number", flat=True).first()
    return lines.filter(number__gt=last or 0)


def _addresses_of(tenant: Tenant, people: Iterable[User]) -> AddressMatch:
    """The addresses to erase: of these people, invitations and contacts, and at the domains.

    A domain that another tenant has too does not count, nor the address of a remaining account.
    """
    erased = {person.email.lower() for person in people}
    own = {
        each.lower()
        for each in Contact.objects.filter(tenant=tenant).values_list("email", flat=True)
    }
    own |= {
        each.lower()
        for each in Invitation.objects.filter(tenant=tenant).values_list("email", flat=True)
    }
    domains = set(Domain.all_objects.filter(tenant=tenant).values_list("name", flat=True))
    domains -= set(Domain.all_objects.exclude(tenant=tenant).values_list("name", flat=True))
    remaining = set(User.objects.values_list("email", flat=True)) - erased
    return with_earlier_addresses(
        AddressMatch(frozenset(erased | own), frozenset(domains), frozenset(remaining))
    )


def _anonymize(person: User) -> None:
    """Delete the API tokens of the person, and the rows of other apps about the person: addresses,
    second factors, social accounts.

    Only the account itself remains, without a value that a person entered.
    """
    end_sessions(person)
    ApiToken.objects.filter(owner=person).delete()
    IdempotentRequest.objects.filter(user=person).delete()
    ProvisionedPerson.objects.filter(user=person).delete()
    ProviderGrant.objects.filter(user=person).delete()
    person.provisioned_groups.clear()
    for model in apps.get_models():
        if model._meta.app_label not in _OUR_APPS:
            for column in user_columns(model):
                model._base_manager.filter(**{column: person.pk}).delete()
    CalendarFeed.objects.filter(owner=person).delete()
    SavedView.objects.filter(owner=person).delete()
    person.followed_consultants.clear()
    person.groups.clear()
    person.user_permissions.clear()
    User.objects.filter(pk=person.pk).update(
        name="Erased person",
        email=f"{person.public_id.lower()}@erased.invalid",
        password=make_password(None),
        is_active=False,
        last_login=None,
        origin_email="",
    )


def _clean_sessions(match: AddressMatch) -> None:
    """Delete interrupted sign-ins with an address, and the unread messages of signed-in people.

    A message can contain any value of the tenant. It is shown once, on the next page of its reader.
    """
    store = SessionStore()
    for session in Session.objects.iterator(chunk_size=1000):
        data = store.decode(session.session_data)
        if SESSION_KEY not in data:
            if any(match.covers(text) for text in _texts_in(data)):
                session.delete()
        elif data.pop("_messages", None):
            session.session_data = store.encode(data)
            session.save(update_fields=["session_data"])


def _texts_in(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(each)
    elif isinstance(value, str):
        yield value


def _stored_files(tenant: Tenant) -> list[str]:
    rows: tuple[tuple[type[Model], str], ...] = (
        (EvidenceFile, "task__plan__tenant"),
        (TenantExport, "tenant"),
        (ClosingPack, "tenant"),
    )
    return [
        place
        for model, path in rows
        for place in model._base_manager.filter(**{path: tenant})
        .exclude(stored_as="")
        .values_list("stored_as", flat=True)
    ]
