"""Naming who takes part in an implementation."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding import contacts
from onboarding.errors import MovedMeanwhile
from onboarding.forms.words import ContactForm
from onboarding.models import Contact
from onboarding.views.shared import signed_in
from tenants.access import act, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Act


@act(Act.NAME_CONTACTS)
@require_http_methods(["GET", "POST"])
def contact_add(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    return _edit(request, tenant, Contact(tenant=tenant, part=request.GET.get("part", "")))


@act(Act.NAME_CONTACTS)
@require_http_methods(["GET", "POST"])
def contact_change(request: HttpRequest, public_id: str, contact_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    contact = Contact.objects.filter(tenant=tenant, public_id=contact_id).first()
    if contact is None and request.POST.get("seen"):
        return _offer_anew(request, tenant)
    if contact is None:
        raise Http404("No such contact.")
    return _edit(request, tenant, contact)


def _offer_anew(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Somebody removed the contact while this person changed it: their words are not lost. That
    the page had been open tells nothing: of a stranger's contact we would say the same."""
    contact = Contact(tenant=tenant)
    form = ContactForm(request.POST, instance=contact)
    form.add_error(
        None,
        "Somebody removed this contact meanwhile, so nothing was changed. What you typed is kept"
        " here: keep it to name them anew.",
    )
    context = {"tenant": tenant, "contact": contact, "form": form}
    return render(request, "onboarding/contact_edit.html", context, status=422)


def _edit(request: HttpRequest, tenant: Tenant, contact: Contact) -> HttpResponse:
    seen = request.POST.get("seen", "") or contacts.mark_of(contact)
    form = ContactForm(request.POST or None, instance=contact)
    if request.method == "POST" and form.is_valid():
        try:
            contacts.keep_contact(form.save(commit=False), by=signed_in(request), seen=seen)
        except MovedMeanwhile as error:
            form.add_error(None, str(error))
            newest = Contact.objects.filter(pk=contact.pk).first()
            seen = contacts.mark_of(newest) if newest is not None else seen
        else:
            return redirect("onboarding:people", public_id=tenant.public_id)
    status = 422 if request.method == "POST" else 200
    context = {"tenant": tenant, "contact": contact, "form": form, "seen": seen}
    return render(request, "onboarding/contact_edit.html", context, status=status)


@act(Act.NAME_CONTACTS)
@require_POST
def contact_remove(request: HttpRequest, public_id: str, contact_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    contact = get_object_or_404(Contact, tenant=tenant, public_id=contact_id)
    contacts.remove_contact(contact, by=signed_in(request))
    return redirect("onboarding:people", public_id=tenant.public_id)
