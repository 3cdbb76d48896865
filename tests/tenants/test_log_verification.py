"""Every kind of change to the stored logs, made without the triggers, and its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from tenants import append_only
from tenants.activity import hash_of, register_logs
from tenants.activity_names import ActivityName
from tenants.log_verification import current_heads, read_heads, verify_logs
from tenants.models import ActivityChain, ActivityLine, ErasableAddress, ErasurePermit, Tenant, User
from tenants.services import write_activity
from tests.factories import MakeTenant, store_earlier_line

pytestmark = pytest.mark.django_db
INSTALLATION = ActivityChain.INSTALLATION

Logs = tuple[Tenant, Tenant]
Attack = Callable[[Tenant, Tenant], object]


@pytest.fixture
def logs(make_tenant: MakeTenant, consultant: User) -> Iterator[Logs]:
    """Two tenants with five lines each, and an installation's log that names both."""
    tenants = make_tenant("Northwind"), make_tenant("Contoso", (("contoso.test", "primary"),))
    for tenant in tenants:
        for number in range(4):
            write_activity(tenant, ActivityName.TASK_CONFIRMED, by=consultant, task=f"T{number}")
    register_logs([tenant.public_id for tenant in tenants])
    write_activity(None, ActivityName.SIGN_IN_FAILED, address="ann@northwind.test")
    append_only.switch_off(connection)
    yield tenants
    append_only.switch_on(connection)


def faults(*arguments: str) -> str:
    """The errors of `verify_log`; empty if it succeeds."""
    errors = StringIO()
    try:
        call_command("verify_log", *arguments, stdout=StringIO(), stderr=errors)
    except CommandError:
        assert errors.getvalue()
    return errors.getvalue()


def _sql(statement: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _change(tenant: Tenant, column: str, value: object, number: int = 3) -> None:
    ActivityLine.objects.filter(scope=tenant.public_id, number=number).update(**{column: value})


def _hash_again(tenant: Tenant) -> None:
    """Hash every line again, as an attacker does who knows the code."""
    before, length = "", 0
    for line in ActivityLine.objects.filter(scope=tenant.public_id).order_by("number"):
        line.previous_hash = before
        line.number = length = length + 1
        line.hash = before = hash_of(line)
        line.save()
    ActivityChain.objects.filter(scope=tenant.public_id).update(length=length, head=before)


def _remove_tail(tenant: Tenant, *, rewind: bool) -> None:
    ActivityLine.objects.filter(scope=tenant.public_id, number=5).delete()
    last = ActivityLine.objects.get(scope=tenant.public_id, number=4)
    if rewind:
        ActivityChain.objects.filter(scope=tenant.public_id).update(length=4, head=last.hash)


def _swap_lines(tenant: Tenant) -> None:
    for number, other in ((2, 99), (3, 2), (99, 3)):
        _change(tenant, "number", other, number)


def _move_log(tenant: Tenant, other: Tenant) -> None:
    _delete_log(other)
    ActivityLine.objects.filter(tenant=tenant).update(tenant=other, scope=other.public_id)
    ActivityChain.objects.filter(scope=tenant.public_id).update(scope=other.public_id)


def _swap_logs(tenant: Tenant, other: Tenant) -> None:
    for table in ("tenants_activityline", "tenants_activitychain"):
        for old, new in (
            (tenant.public_id, "x"),
            (other.public_id, tenant.public_id),
            ("x", other.public_id),
        ):
            _sql(f"UPDATE {table} SET scope = %s WHERE scope = %s", new, old)  # noqa: S608
    for each in (tenant, other):
        ActivityLine.objects.filter(scope=each.public_id).update(tenant=each)


def _swap_public_ids(tenant: Tenant, other: Tenant) -> None:
    first, second = tenant.public_id, other.public_id
    Tenant.objects.filter(pk=tenant.pk).update(public_id="x")
    Tenant.objects.filter(pk=other.pk).update(public_id=first)
    Tenant.objects.filter(pk=tenant.pk).update(public_id=second)


def _delete_log(tenant: Tenant) -> None:
    ActivityLine.objects.filter(scope=tenant.public_id).delete()
    ActivityChain.objects.filter(scope=tenant.public_id).delete()


def _delete_tenant(tenant: Tenant) -> None:
    _delete_log(tenant)
    tenant.delete()


def _delete_installation_log() -> None:
    ActivityLine.objects.filter(scope=INSTALLATION).delete()
    ActivityChain.objects.filter(scope=INSTALLATION).delete()


def _add_line(tenant: Tenant) -> None:
    line = ActivityLine.objects.get(scope=tenant.public_id, number=5)
    line.pk, line.number, line.previous_hash = None, 6, line.hash
    line.hash = hash_of(line)
    line.save()


ATTACKS: dict[str, tuple[Attack, str]] = {
    "changed action": (lambda a, b: _change(a, "action", "x"), "Northwind: line 3 of"),
    "changed parameters": (lambda a, b: _change(a, "params", {}), "Northwind: line 3 of"),
    "changed address": (lambda a, b: _change(a, "address", "1.2.3.4"), "Northwind: line 3 of"),
    "changed actor": (lambda a, b: _change(a, "actor", None), "Northwind: line 3 of"),
    "changed version": (lambda a, b: _change(a, "version", 1), "Northwind: line 3 of"),
    "removed line": (
        lambda a, b: ActivityLine.objects.filter(tenant=a, number=2).delete(),
        "Northwind: line 2 is missing",
    ),
    "removed tail": (
        lambda a, b: _remove_tail(a, rewind=False),
        "Northwind: line 5 is missing: there were 5",
    ),
    "added line": (lambda a, b: _add_line(a), "Northwind: line 6 is not part of the chain"),
    "changed head": (
        lambda a, b: ActivityChain.objects.filter(scope=a.public_id).update(head="x"),
        "Northwind: its last line differs from the chain",
    ),
    "deleted chain": (
        lambda a, b: ActivityChain.objects.filter(scope=a.public_id).delete(),
        "Northwind: its lines belong to no chain",
    ),
    "deleted log": (lambda a, b: _delete_log(a), "Northwind: its log is missing"),
    "deleted tenant with its log": (lambda a, b: _delete_tenant(a), "its log is missing"),
    "line of another tenant": (lambda a, b: _change(a, "tenant", b), "Northwind: line 3 of"),
    "lines of another tenant": (
        lambda a, b: ActivityLine.objects.filter(tenant=a).update(tenant=b),
        "Northwind: line 1 of",
    ),
    "log moved to another tenant": (_move_log, "Contoso: line 1 of"),
    "log without its tenant": (_move_log, "Northwind: its log is missing"),
    "swapped lines": (lambda a, b: _swap_lines(a), "Northwind: line 2 of"),
    "swapped logs": (_swap_logs, "Northwind: line 1 of"),
    "swapped tenants": (_swap_public_ids, "Contoso: line 1 of"),
    "address removed": (
        lambda a, b: ErasableAddress.objects.all().delete(),
        "installation: line 2 of",
    ),
    "address changed": (
        lambda a, b: ErasableAddress.objects.update(address="bob@northwind.test"),
        "installation: line 2 of",
    ),
    "permit left": (
        lambda a, b: ErasurePermit.objects.create(tenant=a),
        "Northwind: a permit to delete its lines was left",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_tampering_is_reported(logs: Logs, name: str) -> None:
    attack, fault = ATTACKS[name]
    before = faults()

    attack(*logs)

    assert before == ""
    assert fault in faults()


def test_deleted_log_of_the_installation_is_reported(logs: Logs) -> None:
    ActivityLine.objects.filter(number=1).exclude(tenant=None).update(at="2026-01-01T00:00:00Z")
    for tenant in logs:
        _hash_again(tenant)
    before = faults()

    _delete_installation_log()

    assert before == ""
    assert faults() == "installation: it names no log of a tenant, so it was deleted.\n"


# --- Changes of an attacker who hashes the lines again, which only an earlier head reveals


def _changed_and_hashed_again(tenant: Tenant) -> None:
    _change(tenant, "params", {"task": "Another"})
    _hash_again(tenant)


def _older_version_of_hash(tenant: Tenant) -> None:
    ActivityLine.objects.filter(tenant=tenant).update(version=1)
    _hash_again(tenant)


def _removed_and_hashed_again(tenant: Tenant) -> None:
    ActivityLine.objects.filter(tenant=tenant, number=2).delete()
    _hash_again(tenant)


HIDDEN: dict[str, tuple[Attack, str]] = {
    "hashed again": (
        lambda a, b: _changed_and_hashed_again(a),
        "Northwind: line 5 differs from the published head.\n",
    ),
    "other version": (
        lambda a, b: _older_version_of_hash(a),
        "Northwind: line 5 differs from the published head.\n",
    ),
    "removed and hashed again": (
        lambda a, b: _removed_and_hashed_again(a),
        "Northwind: line 5 is missing, which was published.\n",
    ),
    "tail removed and head rewound": (
        lambda a, b: _remove_tail(a, rewind=True),
        "Northwind: line 5 is missing, which was published.\n",
    ),
    "log of the installation deleted": (
        lambda a, b: _delete_installation_log(),
        "installation: its log is missing, which had 2 lines.\n",
    ),
}


@pytest.fixture
def published(logs: Logs, tmp_path: Path) -> str:
    """The output of `verify_log`, stored in a file."""
    file = tmp_path / "heads.txt"
    with file.open("w") as output:
        call_command("verify_log", stdout=output)
    return str(file)


@pytest.mark.parametrize("name", HIDDEN)
def test_published_heads_reveal_hidden_tampering(logs: Logs, published: str, name: str) -> None:
    attack, fault = HIDDEN[name]

    attack(*logs)

    assert (faults(), faults("--against", published)) == ("", fault)


def test_unchanged_and_longer_logs_match_their_heads(logs: Logs, published: str) -> None:
    before = faults("--against", published)

    write_activity(logs[0], ActivityName.TASK_CONFIRMED, task="Later")

    assert (before, faults("--against", published)) == ("", "")


def test_erased_log_is_not_missing(logs: Logs, published: str, administrator: User) -> None:
    erased = logs[0].public_id
    _delete_tenant(logs[0])
    before = faults("--against", published)

    write_activity(None, ActivityName.TENANT_ERASED, by=administrator, name="N", erased=erased)

    assert f"{erased}: its log is missing, which had 5 lines.\n" in before
    assert faults("--against", published) == ""


@pytest.mark.parametrize("text", ["", "Northwind: 5 lines", "abc 5 123"])
def test_file_without_heads_is_refused(logs: Logs, tmp_path: Path, text: str) -> None:
    (tmp_path / "heads.txt").write_text(text)

    for file in ("heads.txt", "nothing.txt"):
        with pytest.raises(CommandError, match=r"(contains no head|cannot be read)"):
            call_command("verify_log", "--against", str(tmp_path / file))


def test_heads_are_read_from_a_quoted_email(logs: Logs) -> None:
    heads = current_heads()
    text = "Hello Ad,\n\n" + "".join(f"> {head} Northwind\n" for head in heads)

    assert len(heads) == 3
    assert read_heads(text) == heads


# --- Lines of the first version


def test_lines_of_both_versions_verify(logs: Logs) -> None:
    store_earlier_line(logs[0], "task-proven", {"task": "SPF"})
    write_activity(logs[0], ActivityName.TASK_CONFIRMED, task="SPF")

    versions = ActivityLine.objects.filter(tenant=logs[0]).order_by("number")
    assert [line.version for line in versions] == [2, 2, 2, 2, 2, 1, 2]
    assert faults() == ""


def test_emptied_line_needs_an_erasure(logs: Logs, administrator: User) -> None:
    chain = ActivityChain.objects.get(scope=INSTALLATION)
    line = ActivityLine(
        scope=INSTALLATION,
        number=chain.length + 1,
        at=timezone.now(),
        action="sign-in-failed",
        params={"address": "ann@northwind.test"},
        previous_hash=chain.head,
    )
    line.hash = hash_of(line)
    line.save()
    ActivityChain.objects.filter(pk=chain.pk).update(length=line.number, head=line.hash)
    before = faults()
    ActivityLine.objects.filter(pk=line.pk).update(params={})
    emptied = faults()
    write_activity(
        None,
        ActivityName.TENANT_ERASED,
        by=administrator,
        name="Other",
        erased="other",
        emptied_lines=[line.number],
    )

    assert (before, faults()) == ("", "")
    assert emptied.startswith(f"installation: line {line.number} of ")


def test_verification_reports_every_log(logs: Logs) -> None:
    lengths = {report.scope: report.length for report in verify_logs()}

    assert lengths == {logs[0].public_id: 5, logs[1].public_id: 5, INSTALLATION: 2}
