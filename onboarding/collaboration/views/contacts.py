"""Adding, changing and removing contacts."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding.collaboration import contacts
from onboarding.collaboration.forms import ContactForm
from onboarding.error_responses import errors_on_form
from onboarding.models import Contact
from onboarding.plans.tenant_page import current_user
from tenants.access import require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission


@require(Permission.EDIT_CONTACTS)
@require_http_methods(["GET", "POST"])
def contact_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    return _edit(request, tenant, Contact(tenant=tenant, role=request.GET.get("role", "")))


@require(Permission.EDIT_CONTACTS)
@require_http_methods(["GET", "POST"])
def contact_change(request: HttpRequest, public_id: str, contact_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    contact = Contact.objects.filter(tenant=tenant, public_id=contact_id).first()
    if contact is None and request.POST.get("expected_version"):
        return _offer_as_new(request, tenant)
    if contact is None:
        raise Http404("No such contact.")
    return _edit(request, tenant, contact)


def _offer_as_new(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Show the values of a changed contact that another person removed, as a new contact.

    The answer is the same for a contact of a stranger, so it reveals nothing."""
    contact = Contact(tenant=tenant)
    form = ContactForm(request.POST, instance=contact)
    form.add_error(
        None,
        "Another person removed this contact in the meantime, so nothing was changed. Your values"
        " are below. Save them to add the contact again.",
    )
    context = {"tenant": tenant, "contact": contact, "form": form}
    return render(request, "collaboration/contact_edit.html", context, status=422)


def _edit(request: HttpRequest, tenant: Tenant, contact: Contact) -> HttpResponse:
    expected_version = request.POST.get("expected_version", "") or contacts.fingerprint(contact)
    form = ContactForm(request.POST or None, instance=contact)
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            contacts.save_contact(
                form.save(commit=False), by=current_user(request), expected_version=expected_version
            )
            return redirect("onboarding:people", public_id=tenant.public_id)
        newest = Contact.objects.filter(pk=contact.pk).first()
        expected_version = contacts.fingerprint(newest) if newest is not None else expected_version
    status = 422 if request.method == "POST" else 200
    context = {
        "tenant": tenant,
        "contact": contact,
        "form": form,
        "expected_version": expected_version,
    }
    return render(request, "collaboration/contact_edit.html", context, status=status)


@require(Permission.EDIT_CONTACTS)
@require_POST
def contact_remove(request: HttpRequest, public_id: str, contact_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    contact = get_object_or_404(Contact, tenant=tenant, public_id=contact_id)
    contacts.remove_contact(contact, by=current_user(request))
    return redirect("onboarding:people", public_id=tenant.public_id)
