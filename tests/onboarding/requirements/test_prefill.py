"""Tests of answers that Gangway knows, and of sign-offs with unanswered questions."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from checks.dns_discovery import request_discovery
from checks.models import Discovery
from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing_pack.contents import closing_pack_content
from onboarding.models import Contact, RequirementsSheet, SheetRow
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.requirements import prefill, services, sign_off
from onboarding.requirements.definitions import DEFINITIONS
from onboarding.requirements.exports import stream_csv
from onboarding.requirements.known_answers import FACTS
from tenants.models import ActivityLine, Host, Tenant, User
from tests.factories import MakeTenant, SignIn
from tests.onboarding.requirements.sheet_rows import add, entry_of, job, sheet_of, values
from tests.onboarding.requirements.test_pages import url

RFI = "request-for-information"


def answers(tenant: Tenant, kind: str = RFI) -> dict[str, tuple[str, str]]:
    rows = SheetRow.objects.filter(sheet=sheet_of(tenant, kind))
    return {row.key: (row.values["answer"], row.source) for row in rows}


def answer(tenant: Tenant, by: User, question: str, text: str) -> None:
    sheet = sheet_of(tenant, RFI)
    entry = entry_of(sheet, question=question, answer=text)
    row = SheetRow.objects.get(sheet=sheet, key=entry.key)
    services.change_row(sheet, row.public_id, entry, version=row.version, by=by)


def scanned(tenant: Tenant, **found: Any) -> None:
    discovery = request_discovery(tenant.domains.get(role="primary"))
    Discovery.objects.filter(pk=discovery.pk).update(found=found, checked_at=timezone.now())


@pytest.fixture
def rfi(tenant: Tenant) -> RequirementsSheet:
    tenant.rfi_used = True
    tenant.save()
    apply_profile(tenant)
    return sheet_of(tenant, RFI)


def test_new_sheet_has_answers_of_profile(tenant: Tenant) -> None:
    found = answers(tenant)

    assert found["company"] == (tenant.name, "profile")
    assert found["platform"] == (tenant.get_platform_display(), "profile")
    assert found["directory"] == (tenant.get_directory_method_display(), "profile")
    domains = ", ".join(f"{d.name} ({d.get_role_display().lower()})" for d in tenant.domains.all())
    assert found["domains"] == (domains, "profile")
    assert found["mailboxes"] == ("", "")
    assert sheet_of(tenant, RFI).row_count == sum(1 for text, _ in found.values() if text)


def test_people_dns_and_other_sheets_answer(tenant: Tenant, owner: User) -> None:
    for role, name in (("technical", "Tia"), ("emergency", "Eli"), ("signatory", "Sam")):
        Contact.objects.create(
            tenant=tenant, role=role, name=name, email=f"{name}@northwind.test", phone="+1 555"
        )
    tenant.hosts.all().delete()
    scanned(
        tenant,
        delivery_host="northwind-test.mail.protection.outlook.com",
        senders=[{"term": "+ip4:192.0.2.7", "name": ""}, {"term": "include:x.test", "name": ""}],
    )

    prefill.prefill_plan(tenant.plan)

    found = answers(tenant)
    assert found["main-contact"] == (owner.name, "people")
    assert found["main-contact-address"] == (owner.email, "people")
    assert found["technical-contact"] == ("Tia", "people")
    assert found["technical-contact-address"] == ("Tia@northwind.test", "people")
    assert found["emergency-contact"] == ("Eli · Eli@northwind.test · +1 555", "people")
    assert found["signatory"] == ("Sam · Sam@northwind.test · +1 555", "people")
    assert found["inbound-hosts"] == ("", "")
    assert found["outbound-addresses"] == ("192.0.2.7", "dns")

    add(sheet_of(tenant, "outbound-addresses"), owner, address="8.8.4.4")
    add(sheet_of(tenant, "forwarding"), owner, target="ann@outside.test")
    Host.objects.create(tenant=tenant, purpose="delivery", name="mail.northwind.test", port=25)
    prefill.prefill_plan(tenant.plan)

    found = answers(tenant)
    assert found["inbound-hosts"] == ("mail.northwind.test:25", "profile")
    assert found["outbound-addresses"] == ("8.8.4.4", "sheets")
    assert found["forwards"] == ("1 row in the requirements sheet", "sheets")


def test_facts_of_another_tenant_never_answer(
    tenant: Tenant, make_tenant: MakeTenant, owner: User
) -> None:
    other_tenant = make_tenant("Southwind", (("southwind.test", "primary"),))
    Contact.objects.create(tenant=other_tenant, role="signatory", name="Stranger")
    add(sheet_of(other_tenant, "outbound-addresses"), owner, address="8.8.4.4")
    Host.objects.create(tenant=other_tenant, purpose="delivery", name="mx.other.test", port=25)

    prefill.prefill_plan(tenant.plan)

    found = str(answers(tenant))
    assert not [text for text in ("Stranger", "8.8.4.4", "other") if text in found]


def test_prefilled_answer_follows_profile_and_goes_with_it(tenant: Tenant) -> None:
    Contact.objects.create(tenant=tenant, role="signatory", name="Sam")
    prefill.prefill_plan(tenant.plan)
    before = sheet_of(tenant, RFI)
    Contact.objects.all().delete()
    tenant.name = "Northwind Ltd"
    tenant.save()

    prefill.prefill_plan(tenant.plan)
    prefill.prefill_plan(tenant.plan)

    after, found = sheet_of(tenant, RFI), answers(tenant)
    assert found["company"] == ("Northwind Ltd", "profile")
    assert found["signatory"] == ("", "")
    assert (after.revision, after.row_count) == (before.revision + 1, before.row_count - 1)
    lines = ActivityLine.objects.filter(tenant=tenant, action="sheet-changed", actor=None)
    assert lines.filter(params__what="Company name, Who signs for protected roles").count() == 1


@pytest.mark.parametrize("text", ["Northwind Holding", ""])
def test_typed_or_emptied_answer_is_never_overwritten(
    tenant: Tenant, owner: User, text: str
) -> None:
    answer(tenant, owner, "Company name", text)

    prefill.prefill_plan(tenant.plan)

    assert answers(tenant)["company"] == (text, "")


def test_imported_answer_is_a_typed_one(tenant: Tenant, owner: User) -> None:
    content = "Question,Answer\nCompany name,Imported Ltd\n"
    job(sheet_of(tenant, RFI), content, owner, duplicates="replace")

    prefill.prefill_plan(tenant.plan)

    assert answers(tenant)["company"] == ("Imported Ltd", "")


def test_signed_sheet_is_not_prefilled(tenant: Tenant, owner: User, rfi: RequirementsSheet) -> None:
    sign_off.sign_off(rfi, by=owner, side="client", expected_revision=rfi.revision, reason="Later")
    Tenant.objects.filter(pk=tenant.pk).update(name="Northwind Ltd")

    prefill.prefill_plan(type(tenant.plan).objects.get(pk=tenant.plan.pk))

    assert answers(tenant)["company"] == (tenant.name, "profile")
    assert sheet_of(tenant, RFI).signed_sides == ["client"]
    (difference,) = (
        each
        for each in prefill.open_answers(sheet_of(tenant, RFI))
        if each.question.key == "company"
    )
    assert (difference.known.text, difference.current) == ("Northwind Ltd", tenant.name)


def test_page_shows_source_and_offers_known_answers(
    tenant: Tenant, owner: User, signed_in: SignIn, rfi: RequirementsSheet
) -> None:
    answer(tenant, owner, "Company name", "Typed")
    Contact.objects.create(tenant=tenant, role="signatory", name="Sam")
    client = signed_in(owner)

    html = " ".join(client.get(url(rfi)).content.decode().split())
    one = client.post(url(rfi, "requirements-answer-use"), {"question": "company"})

    assert "From the profile" in html
    assert "From the profile, instead of “Typed”" in html
    assert "From the people of this tenant" in html
    assert one.status_code == 302
    assert answers(tenant)["company"] == (tenant.name, "profile")
    assert answers(tenant)["signatory"] == ("", "")
    client.post(url(rfi, "requirements-answer-use"), {"question": ""})
    assert answers(tenant)["signatory"] == ("Sam", "people")
    again = client.post(url(rfi, "requirements-answer-use"), {"question": "signatory"}, follow=True)
    assert "no longer open" in again.content.decode()


# --- The checklist of the setup wizard


def test_checklist_has_known_values(make_tenant: MakeTenant, db: None) -> None:
    tenant = make_tenant(account_code="CUSB1A1", products=["ttp_impersonation", "archive"])
    Contact.objects.create(tenant=tenant, role="dns", name="Dee", phone="+1 555")
    scanned(
        tenant,
        mx=["mx1.old.test", "mx2.old.test"],
        mx_ttl=3600,
        senders=[{"term": "include:spf.old.test", "name": ""}],
        dkim_selectors=["selector1"],
        dmarc="",
        mta_sts=False,
        onmicrosoft="northwind.onmicrosoft.com",
        unanswered=["mta_sts"],
    )

    prefill.prefill_plan(tenant.plan)

    found = answers(tenant, "setup-checklist")
    assert found["code"] == ("CUSB1A1", "profile")
    assert found["grid"] == (tenant.region_values.name, "profile")
    assert found["products"] == (
        "Targeted Threat Protection: Impersonation Protect, Archive",
        "profile",
    )
    assert found["sign-in"] == (tenant.get_authentication_display(), "profile")
    assert found["dns-owner"] == ("Dee · +1 555", "people")
    assert found["mx"] == ("northwind.test: mx1.old.test mx2.old.test", "dns")
    assert found["mx-ttl"] == ("northwind.test: 3600", "dns")
    assert found["spf"] == ("northwind.test: include:spf.old.test", "dns")
    assert found["dkim"] == ("northwind.test: selector1", "dns")
    assert found["dmarc"] == ("northwind.test: none", "dns")
    # The servers did not answer, so “no” would be a guess.
    assert found["mta-sts"] == ("", "")
    assert found["onmicrosoft"] == ("northwind.onmicrosoft.com", "dns")
    assert found["outbound-fixed"] == ("", "")


def test_lists_without_rows_are_none_once_signed(tenant: Tenant, owner: User) -> None:
    for kind in ("global-senders", "managed-senders"):
        assert answers(tenant, "setup-checklist")["lists"] == ("", "")
        sheet = sheet_of(tenant, kind)
        sign_off.sign_off(sheet, by=owner, side="client", expected_revision=sheet.revision)
        prefill.prefill_plan(tenant.plan)

    assert answers(tenant, "setup-checklist")["lists"] == ("none", "sheets")


def test_every_fact_answers_a_question_and_exists() -> None:
    asked = {q.fact for kind in DEFINITIONS.values() for q in kind.questions if q.fact}

    assert asked == set(FACTS)


def test_vips_apply_with_the_product_and_do_not_confirm(
    make_tenant: MakeTenant, consultant: User
) -> None:
    tenant = make_tenant(products=["ttp_impersonation"])
    without = make_tenant("Southwind", (("southwind.test", "primary"),))
    sheet = sheet_of(tenant, "impersonation-vips")

    add(sheet, consultant, name="Bo Li", address="Bo@NORTHWIND.test", variants="B. Li; Bob Li")
    sign_off.sign_off(sheet, by=consultant, side="mimecast", expected_revision=1)

    assert (sheet.task.applies, sheet_of(without, "impersonation-vips").task.applies) == (
        True,
        False,
    )
    assert values(sheet) == [["Bo Li", "Bo@northwind.test", "B. Li; Bob Li", "", ""]]
    sheet.task.refresh_from_db()
    assert sheet.task.mimecast_confirmed_at is None
    exported = "".join(part.decode() for part in stream_csv(sheet, is_full=False))
    assert exported.lstrip("\ufeff").splitlines() == [
        "Name,Email Address,Display Name Variants,Job Title",
        "Bo Li,Bo@northwind.test,B. Li; Bob Li,",
    ]


# --- Signing with unanswered questions


def test_sign_off_names_unanswered_questions_and_needs_reason(
    tenant: Tenant, owner: User, signed_in: SignIn, rfi: RequirementsSheet
) -> None:
    missing = [key for key, (text, _) in answers(tenant).items() if not text]
    client, address = signed_in(owner), url(rfi, "requirements-sign-off")

    page = client.get(url(rfi)).content.decode()
    empty = client.post(address, {"revision": rfi.revision, "reason": "  "})
    stale = client.post(address, {"revision": "99", "reason": "Keep this"})

    assert f"{len(missing)} questions without an answer" in page
    # A sheet with open questions is not complete, so no sign-off states that it is.
    assert "complete and correct" not in " ".join(page.split())
    assert "confirms that the answers are correct" in " ".join(page.split())
    assert "<li>Number of mailboxes</li>" in page
    assert "<li>Company name</li>" not in page
    assert empty.status_code == 422
    error = f"{len(missing)} questions are unanswered. State the reason"
    assert error in empty.content.decode()
    assert stale.status_code == 422
    assert "Keep this</textarea>" in stale.content.decode()
    assert sheet_of(tenant, RFI).signed_sides == []

    signed = client.post(address, {"revision": rfi.revision, "reason": "The rest on Monday"})

    assert signed.status_code == 302
    page = client.get(url(rfi)).content.decode()
    assert "Reason for unanswered questions: The rest on Monday" in page
    assert "<li>Number of mailboxes</li>" in page
    line = ActivityLine.objects.filter(tenant=tenant, action="sheet-signed-off").latest("number")
    assert line.params["reason"] == "The rest on Monday"
    assert "Number of mailboxes" in line.params["unanswered"]


def test_closing_pack_has_reason_and_unanswered_questions(
    tenant: Tenant, owner: User, rfi: RequirementsSheet
) -> None:
    sign_off.sign_off(rfi, by=owner, side="client", expected_revision=rfi.revision, reason="Later")

    sheets = closing_pack_content(tenant)["requirements_sheets"]

    (entry,) = (each for each in sheets if each["title"] == "Request for information")
    assert [each["reason"] for each in entry["signed"]] == ["Later"]
    assert "Number of mailboxes" in entry["unanswered"]


def test_complete_sheet_needs_no_reason_and_change_clears_it(
    tenant: Tenant, owner: User, rfi: RequirementsSheet
) -> None:
    sign_off.sign_off(rfi, by=owner, side="client", expected_revision=rfi.revision, reason="Later")
    for row in SheetRow.objects.filter(sheet=rfi):
        if not row.values["answer"]:
            text = {"mailboxes": "5", "inbound-hosts": "mx.northwind.test"}.get(
                row.key, "ann@northwind.test"
            )
            answer(tenant, owner, row.values["question"], text)
    complete = sheet_of(tenant, RFI)
    assert complete.client_sign_off_reason == ""

    sign_off.sign_off(
        complete, by=owner, side="client", expected_revision=complete.revision, reason="needless"
    )

    assert sheet_of(tenant, RFI).client_sign_off_reason == ""
    assert sheet_of(tenant, RFI).row_count == 16


@pytest.mark.parametrize("reason", ["", "  "])
def test_empty_reason_is_refused(owner: User, rfi: RequirementsSheet, reason: str) -> None:
    with pytest.raises(sign_off.SignOffReasonMissing, match="questions are unanswered"):
        sign_off.sign_off(
            rfi, by=owner, side="client", expected_revision=rfi.revision, reason=reason
        )


def test_use_of_answer_is_refused_without_any(tenant: Tenant, owner: User) -> None:
    with pytest.raises(OnboardingError, match="no longer open"):
        prefill.use_known_answers(sheet_of(tenant, "branding"), "logo", by=owner)
