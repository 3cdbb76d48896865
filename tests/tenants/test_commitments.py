"""The installation's log contains no address and no name of a person in its hashed content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from tenants import append_only
from tenants.activity import add_line
from tenants.activity_names import ActivityName
from tenants.commitments import LONGEST_VALUE, commitments_in, is_address, texts_in
from tenants.erasable_addresses import AddressMatch, erase_addresses
from tenants.log_verification import verify_logs
from tenants.models import ActivityLine, ErasableAddress
from tests.factories import store_audit_line
from tests.tenants.test_activity_sentences import SENTENCES

pytestmark = pytest.mark.django_db
EVERYONE = AddressMatch(frozenset(), frozenset({"a.test"}), frozenset())


def _personal(params: dict[str, Any]) -> set[str]:
    """The addresses in the parameters, and the names next to an address."""
    found = {text for text in texts_in(params) if is_address(text)}
    for each in params.values():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            found.add(each["name"])
    return found


PERSONAL = [(name, params) for name, params, _ in SENTENCES if _personal(params)]


def test_actions_with_people_are_known() -> None:
    """A reviewer of a new action sees that its sample contains an address."""
    in_the_audit_log = {
        "sign-in-failed",
        "staff-added",
        "staff-changed",
        "person-activated",
        "person-deactivated",
        "person-provisioned",
        "person-renamed",
        "person-deprovisioned",
        "group-changed",
    }

    assert in_the_audit_log - {"sign-in-failed"} <= {name for name, _ in PERSONAL}


@pytest.mark.parametrize(("name", "params"), PERSONAL)
def test_line_has_no_personal_value(name: str, params: dict[str, Any]) -> None:
    """For every action, also for those that only tenants log today."""
    line = add_line(None, ActivityName(name), by=None, params=params)

    stored = ActivityLine.objects.get(pk=line.pk)
    assert _personal(stored.params) == set()
    assert [value for value in _personal(params) if value in json.dumps(stored.params)] == []
    assert stored.display_params == params
    assert [report.fault for report in verify_logs() if report.fault] == []


def _erase() -> None:
    append_only.switch_off(connection)
    erased = erase_addresses(EVERYONE)
    append_only.switch_on(connection)
    add_line(
        None,
        ActivityName.TENANT_ERASED,
        by=None,
        params={
            "name": "T",
            "erased": "t1",
            "erased_addresses": erased.lines,
            "emptied_lines": erased.emptied_lines,
        },
    )


@pytest.mark.parametrize(("name", "params"), PERSONAL)
def test_erased_line_still_verifies(name: str, params: dict[str, Any]) -> None:
    line = add_line(None, ActivityName(name), by=None, params=params)

    _erase()

    left = ErasableAddress.objects.values_list("address", flat=True)
    assert [value for value in left if value.endswith("a.test") or value.startswith("Ann")] == []
    assert "(erased)" in str(ActivityLine.objects.get(pk=line.pk).display_params)
    assert [report.fault for report in verify_logs() if report.fault] == []


def test_other_people_of_a_line_remain() -> None:
    params = {"group": "team", "added": ["ann@a.test", "bo@b.test"], "removed": []}
    line = add_line(None, ActivityName.GROUP_CHANGED, by=None, params=params)

    _erase()

    shown = ActivityLine.objects.get(pk=line.pk).display_params
    assert shown == {"group": "team", "added": ["(erased)", "bo@b.test"], "removed": []}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("staff-added", {"person": "ann@a.test", "before": "", "after": "manager"}),
        ("colleague-added", {"person": "ann@a.test", "before": "", "after": "manager"}),
        ("group-changed", {"group": "team", "added": ["ann@a.test"], "removed": []}),
        ("person-renamed", {"before": {"name": "Ann", "email": "ann@a.test"}, "after": {}}),
    ],
)
def test_earlier_line_is_emptied(action: str, params: dict[str, Any], version: int) -> None:
    """Earlier versions stored the address in the hashed content."""
    store_audit_line(action, params, version=version)
    before = [report.fault for report in verify_logs() if report.fault]

    _erase()

    line = ActivityLine.objects.get(action=action)
    assert (before, line.params) == ([], {})
    assert [report.fault for report in verify_logs() if report.fault] == []


def test_emptied_line_without_erasure_is_reported() -> None:
    store_audit_line("staff-added", {"person": "ann@a.test"}, version=2)
    append_only.switch_off(connection)
    ActivityLine.objects.filter(action="staff-added").update(params={})
    append_only.switch_on(connection)

    assert "was altered" in "".join(report.fault for report in verify_logs())


def test_long_and_mistyped_addresses_are_committed() -> None:
    typed = "ann @a.test" + "x" * 400
    line = add_line(None, ActivityName.SIGN_IN_FAILED, by=None, params={"address": typed})

    assert len(list(commitments_in(line.params))) == 1
    assert line.display_params == {"address": typed[:LONGEST_VALUE]}
    assert [report.fault for report in verify_logs() if report.fault] == []
