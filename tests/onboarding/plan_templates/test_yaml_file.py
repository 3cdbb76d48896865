"""Tests of the template reader, its errors, and the applicability of tasks."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from onboarding.plan_templates import forms
from onboarding.plan_templates.content import as_content, read_content
from onboarding.plan_templates.schema import PROFILE_VALUES
from onboarding.plan_templates.template_version import (
    TEMPLATE_FILE,
    TemplateError,
    applies,
    flat,
    is_optional,
    load_template_file,
)
from tenants.models import Authentication, DirectoryMethod, Platform

KINDS = (
    "delivery_message, dkim, dmarc, ldaps, lockdown, message, mta_sts, mx, mx_ttl, ownership,"
    " smtp, spf"
)
SMALL = """\
version: 3
products: {archive: Archive}
phases:
  - key: first
    title: First
    summary: What comes first.
    tasks:
      - key: one
        title: One
        responsibility: both
        stated: true
        do: Do it.
        shown_by: It is done.
      - key: two
        title: Two
        responsibility: client
        stated: false
        do: Do it too.
        shown_by: It is done.
        parent: one
        applies_when: {platform: [hybrid]}
        otherwise: Mail platform is {platform}.
        depends_on: []
        check: spf
        per_domain: true
        domain_roles: [primary]
      - key: three
        title: Three
        responsibility: mimecast
        stated: true
        do: Do it last.
        shown_by: It is done.
        depends_on: [one]
"""
PROFILE: dict[str, object] = {
    "platform": "microsoft_365",
    "directory_method": "entra_id",
    "authentication": "sso",
    "journaling": False,
    "products": [],
    "dkim_in_use": False,
    "rfi_used": False,
}


def test_small_template_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(SMALL, encoding="utf-8")

    one, two, three = flat(load_template_file(path))

    assert list(two.items())[:11] == [
        ("phase", "first"),
        ("key", "two"),
        ("parent", "one"),
        ("title", "Two"),
        ("responsibility", "client"),
        ("stated", False),
        ("applies_when", {"platform": ["hybrid"]}),
        ("depends_on", []),
        ("check", "spf"),
        ("per_domain", True),
        ("optional", False),
    ]
    assert (one["applies_when"], one["check"], one["is_group"]) == (None, None, True)
    assert three["depends_on"] == ["one"]


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("version: 3", "version: three", 1, "“version” must be a whole number"),
        ("version: 3", "version: 0", 1, "“version” must be 1 or more"),
        ("version: 3\n", "", 1, "the file lacks the key “version”"),
        ("phases:", "phase:", 3, "unknown key “phase” in the file"),
        ("    title: First\n", "", 4, "an item of “phases” lacks the key “title”"),
        ("do: Do it too.", "do: ''", 18, "“do” is empty"),
        ("        do: Do it.\n", "", 8, "an item of “tasks” lacks the key “do”"),
        ("title: Two", "titel: Two", 15, "unknown key “titel” in an item of “tasks”"),
        ("title: Two", "title: [Two]", 15, "“title” must be text"),
        ("title: Two", "title: Two\n        title: Zwei", 16, "duplicate key “title”"),
        ("key: two", "key: one", 14, "duplicate key “one”"),
        ("key: two", "key: Two!", 14, "“Two!” is not a key: lower-case words"),
        (
            "responsibility: client",
            "responsibility: Client",
            16,
            "“responsibility” is “Client”, but must be one of both, client, mimecast",
        ),
        ("stated: false", "stated: perhaps", 17, "“stated” must be true or false"),
        ("parent: one", "parent: none", 20, "unknown parent “none”: no task above it"),
        ("parent: one", "parent: three", 20, "unknown parent “three”: no task above it"),
        (
            "depends_on: [one]",
            "parent: two",
            33,
            "parent “two” has a parent itself",
        ),
        (
            "depends_on: [one]",
            "depends_on: [four]",
            33,
            "task “three” depends on “four”, which does not exist",
        ),
        ("depends_on: [one]", "depends_on: [one, one]", 33, "task “three” depends on “one” twice"),
        (
            "depends_on: []",
            "depends_on: [three]",
            8,
            "cycle of dependencies: one → two → three → one",
        ),
        ("depends_on: []", "depends_on: [two]", 14, "cycle of dependencies: two → two"),
        ("depends_on: []", "depends_on: [one]", 8, "cycle of dependencies: one → two → one"),
        (
            "check: spf",
            "check: spv",
            24,
            f"“check” is “spv”, but must be one of {KINDS}",
        ),
        ("check: spf", "check: [spf, spv]", 24, "an item of “check” is “spv”"),
        (
            "check: spf",
            "check: spf\n        supports: [spf]",
            25,
            "“spf” both verifies and supports",
        ),
        ("{platform: [hybrid]}", "{plattform: [hybrid]}", 21, "unknown profile field “plattform”"),
        ("{platform: [hybrid]}", "{platform: [hybrit]}", 21, "an item of “platform” is “hybrit”"),
        ("{platform: [hybrid]}", "{products: [arch]}", 21, "an item of “products” is “arch”"),
        ("{platform: [hybrid]}", "{journaling: [2]}", 21, "an item of “journaling” must be true"),
        ("{platform: [hybrid]}", "{platform: hybrid}", 21, "“platform” must be a list"),
        ("{platform: [hybrid]}", "{platform: []}", 21, "“platform” lists no value"),
        ("{platform: [hybrid]}", "{any: []}", 21, "“any” is empty"),
        ("{platform: [hybrid]}", "{}", 21, "“applies_when” names no field"),
        ("is {platform}.", "is {region}.", 22, "“otherwise” cannot fill in {region}"),
        ("is {platform}.", "is {platform.", 22, "“otherwise” has a stray brace"),
        (
            "        otherwise: Mail platform is {platform}.\n",
            "",
            14,
            "“applies_when” needs “otherwise”",
        ),
        ("        domain_roles: [primary]\n", "", 14, "task “two” is per domain, but names no"),
        ("[primary]", "[first]", 26, "an item of “domain_roles” is “first”"),
        ("per_domain: true", "per_domain: false", 26, "“domain_roles” on a task that is not per"),
        (
            "depends_on: [one]",
            "required_when: {dkim_in_use: [true]}",
            33,
            "“required_when” on a task that is not optional",
        ),
        ("depends_on: [one]", "gate: soft", 33, "“gate” is “soft”, but must be one of hard"),
        (
            "depends_on: [one]",
            "links: [{title: A, url: 'http://example.com'}]",
            33,
            "“http://example.com” is not an https address",
        ),
        (
            "depends_on: [one]",
            "depends_on: [one]\n        waits: {after: two, days: 3}",
            34,
            "a wait after “two” must depend on it",
        ),
        (
            "depends_on: [one]",
            "depends_on: [one]\n        waits: {after: one, days: 3}",
            34,
            "a wait must follow a task, and “one” is a group or a wait",
        ),
        (
            "depends_on: [one]",
            "depends_on: [two]\n        waits: {after: two, days: 0}",
            34,
            "“days” must be between 1 and 60",
        ),
        (
            "depends_on: [one]",
            "depends_on: [two]\n        waits: {after: two, days: some}",
            34,
            "“days” is “some”, but must be one of outbound_days",
        ),
        (
            "depends_on: [one]",
            "depends_on: [two]\n        waits: {after: two, days: 3}\n        gate: hard",
            34,
            "a wait has no check and no gate, and is not per domain",
        ),
        ("depends_on: [one]", "depends_on: [one", 34, "is not valid YAML: expected ',' or ']'"),
        ("depends_on: [one]", "depends_on: one", 33, "“depends_on” must be a list"),
        (
            "depends_on: [one]",
            f"depends_on: {'[' * 500}",
            33,
            "is not valid YAML: more than 30 levels are not supported",
        ),
        (
            "depends_on: [one]",
            "depends_on: &a [*a]",
            33,
            "is not valid YAML: an alias (*) is not supported",
        ),
        (
            "depends_on: [one]",
            "depends_on: !!int x",
            33,
            "is not valid YAML: a type (!) is not supported",
        ),
        (
            "depends_on: [one]",
            "fields: [{key: a, label: A, type: text, at_least: 1}]",
            33,
            "field “a”: only a number has a smallest value",
        ),
        (
            "depends_on: [one]",
            "fields: [{key: a, label: A, type: number, at_least: 10000001}]",
            33,
            "field “a”: “at_least” is between 0 and 10,000,000",
        ),
        ("depends_on: [one]", "do_source: [kb]", 33, "“kb” is not in the “sources” of the"),
    ],
)
def test_error_names_file_line_and_reason(
    tmp_path: Path, old: str, new: str, line: int, reason: str
) -> None:
    assert SMALL.count(old) == 1
    path = tmp_path / "plan.yaml"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")

    with pytest.raises(TemplateError) as refusal:
        load_template_file(path)

    assert str(refusal.value).startswith(f"{path}:{line}: {reason}")


# Each list repeats the list before it: ten lines would become ten million texts.
YAML_BOMB = "\n".join(
    ["- &a0 [x, x, x, x, x, x, x]"] + [f"- &a{n} [{f'*a{n - 1}, ' * 7}]" for n in range(1, 9)]
)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("- [2026-02-30]", "Line 1 is not valid YAML: a date or number is invalid: write it in"),
        ("- a\n- 0x_", "Line 2 is not valid YAML: a date or number is invalid: write it in"),
        ("[" * 500, "Line 1 is not valid YAML: more than 30 levels are not supported."),
        ("- !!timestamp x", "Line 1 is not valid YAML: a type (!) is not supported."),
        (YAML_BOMB, "Line 2 is not valid YAML: an alias (*) is not supported."),
    ],
)
def test_typed_yaml_is_refused_in_words(typed: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        forms._list_of(typed)

    assert refusal.value.messages[0].startswith(sentence)


SOURCED = (
    SMALL.replace("version: 3", "version: 4")
    .replace(
        "phases:", "sources:\n  kb: {title: Page, url: null, read_on: '2026-11-23'}\nphases:", 1
    )
    .replace("comes first.", "comes first.\n    summary_source: [kb]")
    .replace(
        "        shown_by:",
        "        do_source: [kb]\n        shown_by_source: [kb]\n        shown_by:",
    )
)


def test_file_names_sources_of_every_text(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(SOURCED, encoding="utf-8")

    template = load_template_file(path)

    assert {(task.do_sources, task.shown_by_sources) for task in template.tasks} == {
        (("kb",), ("kb",))
    }
    assert template.phases[0].summary_sources == ("kb",)


@pytest.mark.parametrize("text", ["do", "shown_by", "summary"])
def test_text_without_source_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(re.sub(rf"\n +{text}_source: \[kb\]", "", SOURCED, count=1), encoding="utf-8")

    with pytest.raises(TemplateError, match=f"“{text}” has no “{text}_source”: write no statement"):
        load_template_file(path)


WITH_REASON = SOURCED.replace(
    "        shown_by:", "        why: It matters.\n        why_source: [kb]\n        shown_by:", 1
)


def test_reason_is_read_with_its_sources(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(WITH_REASON, encoding="utf-8")

    first, *others = load_template_file(path).tasks

    assert (first.why, first.why_sources) == ("It matters.", ("kb",))
    assert {(each.why, each.why_sources) for each in others} == {("", ())}
    assert as_content(load_template_file(path))["phases"][0]["tasks"][0]["why"] == "It matters."


@pytest.mark.parametrize(
    ("removed", "reason"),
    [
        ("        why_source: [kb]\n", "“why” has no “why_source”: write no statement"),
        ("        why: It matters.\n", "“why_source” without “why”"),
    ],
)
def test_half_a_reason_is_refused(tmp_path: Path, removed: str, reason: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(WITH_REASON.replace(removed, ""), encoding="utf-8")

    with pytest.raises(TemplateError, match=reason):
        load_template_file(path)


def test_stored_version_may_lack_sources() -> None:
    """People publish versions of their own, and older versions have none."""
    content = as_content(load_template_file())
    for phase in content["phases"]:
        phase.pop("summary_source")
        for entry in phase["tasks"]:
            del entry["do_source"], entry["shown_by_source"]

    assert read_content(content).tasks[0].do_sources == ()


@pytest.mark.parametrize(
    ("key", "changes", "reason"),
    [
        ("training", {}, ""),
        ("office-365-connection-filter", {}, ""),
        ("office-365-connection-filter", {"platform": "hybrid"}, ""),
        (
            "office-365-connection-filter",
            {"platform": "google_workspace"},
            "Mail platform is Google Workspace, so there is no Exchange Online connection filter.",
        ),
        ("gsuite-whitelist", {"platform": "google_workspace"}, ""),
        (
            "gsuite-whitelist",
            {},
            "Mail platform is Microsoft 365, so there is no Google whitelist.",
        ),
        ("ldap-connector", {"directory_method": "ldap"}, ""),
        (
            "ldap-connector",
            {},
            "The directory method is Entra ID (Azure AD), so there is no LDAP connector.",
        ),
        (
            "ldap-connector",
            {"directory_method": None},
            "The directory method is not chosen yet, so there is no LDAP connector.",
        ),
        ("data-centers-urls", {"directory_method": "ldap"}, ""),
        ("data-centers-urls", {"platform": "other"}, ""),
        (
            "data-centers-urls",
            {},
            "Mail platform is Microsoft 365 and the directory method is Entra ID (Azure AD), "
            "so there is no firewall to open.",
        ),
        ("configure-journaling", {"journaling": True}, ""),
        ("configure-journaling", {"products": ["large_file_send", "archive"]}, ""),
        (
            "configure-journaling",
            {"products": ["large_file_send"]},
            "Journaling is not wanted, and no product that needs it was bought.",
        ),
        ("targeted-threat-protection", {"products": ["internal_email_protect"]}, ""),
        ("attachment-protect", {"products": ["ttp_url"]}, "Attachment Protect was not bought."),
        ("request-for-information", {"rfi_used": True}, ""),
        (
            "request-for-information",
            {},
            "No Request for Information is used in this implementation.",
        ),
        ("web-security", {}, ""),
    ],
)
def test_task_applies_by_profile(key: str, changes: dict[str, object], reason: str) -> None:
    task = next(task for task in load_template_file().tasks if task.key == key)

    assert applies(task, {**PROFILE, **changes}) == (not reason, reason)


def test_dkim_is_required_where_it_is_used() -> None:
    task = next(task for task in load_template_file().tasks if task.key == "dkim-update")

    assert is_optional(task, PROFILE)
    assert not is_optional(task, {**PROFILE, "dkim_in_use": True})


def test_profile_values_match_the_tenant() -> None:
    assert {
        "platform": dict(Platform.choices),
        "directory_method": dict(DirectoryMethod.choices),
        "authentication": dict(Authentication.choices),
    } == PROFILE_VALUES


def test_command_prints_the_flat_list() -> None:
    out = StringIO()

    call_command("plan_template", "--json", stdout=out)

    assert json.loads(out.getvalue()) == flat(load_template_file(TEMPLATE_FILE))


def test_command_prints_a_table() -> None:
    out = StringIO()

    call_command("plan_template", stdout=out, no_color=True)

    lines = out.getvalue().splitlines()
    assert lines[0] == "1. Onboarding Review"
    template = load_template_file()
    assert lines[-1] == f"Version {template.version}, {len(template.tasks)} tasks."
    assert next(line for line in lines if "SPF Record" in line).split() == (
        ["SPF", "Record", "Update", "Client", "verified", "by", "spf", "per", "domain"]
    )


def test_command_refuses_a_malformed_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(SMALL.replace("check: spf", "check: spv"), encoding="utf-8")

    err = StringIO()

    with pytest.raises(SystemExit) as end:
        call_command("plan_template", "--file", str(path), stderr=err, no_color=True)

    assert err.getvalue() == (f"{path}:24: “check” is “spv”, but must be one of {KINDS}\n")
    assert end.value.code == 1
