"""Whole readiness rows of checks: the title, the sentences and the evidence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.cutovers.live_board import spf_boards
from onboarding.cutovers.readiness import (
    ReadinessRow,
    current_verdict,
    is_stale,
)
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import Shape, shape_of_state
from tenants.models import Domain
from tests.onboarding.cutovers.readiness_facts import (
    facts_for,
    row_of,
    subject_of,
    unchecked,
)

WAIT = "Gangway checks automatically. For an earlier result, check everything now."
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("settled", "verdict", "decisive", "detail", "remedy"),
    [
        (
            (),
            Verdict.UNKNOWN,
            None,
            "No domain of this cutover needs this check.",
            "Add the domains to the profile.",
        ),
        (("pass", "pass"), Verdict.PASS, 0, "a.test and b.test: ownership is verified.", ""),
        (
            ("pass", "warn"),
            Verdict.WARN,
            1,
            "b.test: ownership is verified. Read the caution in its evidence.",
            "",
        ),
        (
            ("fail", "pass"),
            Verdict.FAIL,
            0,
            "a.test: ownership is not verified.",
            "Publish the code that Mimecast issued for a.test.",
        ),
        (("not_applicable",), Verdict.NOT_APPLICABLE, 0, "Not applicable to a.test.", ""),
    ],
)
def test_ownership_row(
    settled: tuple[str, ...], verdict: Verdict, decisive: int | None, detail: str, remedy: str
) -> None:
    subjects = [
        subject_of(CheckKind.OWNERSHIP, each, name=f"{name}.test")
        for name, each in zip("ab", settled, strict=False)
    ]

    row = row_of(facts_for("outbound", subjects={CheckKind.OWNERSHIP: subjects}), "ownership")

    check = None if decisive is None else subjects[decisive].check
    # A value that was never published is work to do on every page, and no fault.
    shape = Shape.TODO if verdict is Verdict.FAIL else None
    assert row == ReadinessRow(
        "ownership",
        "Ownership verified",
        verdict,
        detail,
        remedy,
        check=check,
        shown_shape=shape,
    )


@pytest.mark.parametrize("settled", ["pass", "fail"])
@pytest.mark.parametrize(
    ("direction", "kind", "key"),
    [
        ("outbound", CheckKind.SPF, "spf"),
        ("outbound", CheckKind.DKIM, "dkim"),
        ("inbound", CheckKind.MTA_STS, "mta-sts"),
    ],
)
def test_row_names_domain(direction: str, kind: CheckKind, key: str, settled: str) -> None:
    subject = subject_of(kind, settled)

    row = row_of(facts_for(direction, subjects={kind: [subject]}), key)

    assert (row.verdict, row.check, bool(row.title)) == (Verdict(settled), subject.check, True)
    assert ("one.test" in row.detail, "one.test" in row.remedy) == (True, settled == "fail")


def test_no_selector_row() -> None:
    subjects = [ProofSubject(CheckKind.DKIM, name, None) for name in ("a.test", "b.test")]

    row = row_of(facts_for("outbound", subjects={CheckKind.DKIM: subjects}), "dkim")

    assert row == ReadinessRow(
        "dkim",
        "DKIM ready",
        Verdict.WARN,
        "a.test and b.test: the profile has no selector, so outbound mail would be unsigned.",
        "Enter the selector in the profile, and publish its key.",
    )


@pytest.mark.parametrize(
    ("is_open", "age", "expected"),
    [
        (False, 25 * HOUR, False),
        (False, 25 * HOUR + timedelta(seconds=1), True),
        (True, timedelta(minutes=10), False),
        (True, timedelta(minutes=10, seconds=1), True),
    ],
)
def test_check_is_stale_after_limit(is_open: bool, age: timedelta, expected: bool) -> None:
    check = subject_of(CheckKind.SPF, "pass", age=age).check
    assert check is not None

    assert is_stale(check, facts_for("outbound", is_open=is_open)) is expected


@pytest.mark.parametrize("settled", ["", "pass", "fail"])
@pytest.mark.parametrize("missing", ["latest", "checked_at"])
def test_verdict_without_run_is_unknown(missing: str, settled: str) -> None:
    subject = subject_of(CheckKind.SPF, settled)
    setattr(subject.check, missing, None)

    assert current_verdict(subject, facts_for("outbound")) is Verdict.UNKNOWN


@pytest.mark.parametrize("is_open", [True, False])
def test_verdict_without_check_is_unknown(is_open: bool) -> None:
    subject = ProofSubject(CheckKind.SPF, "one.test", None)

    assert current_verdict(subject, facts_for("outbound", is_open=is_open)) is Verdict.UNKNOWN


def test_row_names_three_domains() -> None:
    subjects = [subject_of(CheckKind.OWNERSHIP, "fail", name=f"{name}.test") for name in "abc"]

    row = row_of(facts_for("outbound", subjects={CheckKind.OWNERSHIP: subjects}), "ownership")

    assert row.detail == "a.test, b.test and c.test: ownership is not verified."


def test_unchecked_domain_is_not_stale() -> None:
    subjects = {CheckKind.OWNERSHIP: [unchecked(CheckKind.OWNERSHIP)]}

    row = row_of(facts_for("outbound", subjects=subjects), "ownership")

    assert (row.verdict, row.remedy) == (Verdict.UNKNOWN, WAIT)


def test_proposed_value_needs_a_decision() -> None:
    proposed = subject_of(CheckKind.OWNERSHIP, "pass")
    assert proposed.check is not None
    proposed.check.domain = Domain(name="one.test")
    unsettled = subject_of(CheckKind.OWNERSHIP, "", name="two.test")
    missing = ProofSubject(CheckKind.OWNERSHIP, "three.test", None)

    def row(*subjects: ProofSubject) -> ReadinessRow:
        return row_of(facts_for("outbound", subjects={CheckKind.OWNERSHIP: subjects}), "ownership")

    assert row(unsettled, proposed) == ReadinessRow(
        "ownership",
        "Ownership verified",
        Verdict.UNKNOWN,
        "one.test: the client proposed the value, and no consultant has confirmed it.",
        "A consultant confirms or rejects the proposed value of one.test.",
        check=proposed.check,
    )
    assert row(proposed, missing).detail == "three.test: the profile has no ownership code."


# --- DMARC: `+` enforces a policy, `-` has none, `!` is an invalid record, `?` is not settled


def policy(name: str, sign: str) -> ProofSubject:
    settled, code = {
        "+": ("pass", "dmarc.enforces"),
        "-": ("pass", "dmarc.policy-none"),
        "!": ("fail", "dmarc.several-records"),
        "?": ("", "dmarc.enforces"),
    }[sign]
    return subject_of(CheckKind.DMARC, settled, name=name, findings=(code,))


@pytest.mark.parametrize(
    ("policies", "verified", "verdict", "decisive"),
    [
        ("+++", "ac", Verdict.FAIL, "b"),
        ("-+?", "", Verdict.FAIL, "b"),
        ("-?!", "", Verdict.UNKNOWN, "b"),
        ("-++", "bc", Verdict.PASS, "bc"),
        ("-!-", "", Verdict.WARN, "b"),
        ("--", "", Verdict.PASS, "ab"),
        ("", "", Verdict.UNKNOWN, ""),
    ],
)
def test_dmarc_row(policies: str, verified: str, verdict: Verdict, decisive: str) -> None:
    subjects = [policy(f"{name}.test", sign) for name, sign in zip("abc", policies, strict=False)]
    proofs = {
        kind: [subject_of(kind, "pass", name=f"{name}.test") for name in verified]
        for kind in (CheckKind.SPF, CheckKind.DKIM)
    }

    row = row_of(facts_for("outbound", subjects={CheckKind.DMARC: subjects, **proofs}), "dmarc")

    by_name = {subject.name[0]: subject.check for subject in subjects}
    assert (row.verdict, row.check) == (verdict, by_name[decisive[0]] if decisive else None)
    assert [name for name in "abc" if f"{name}.test" in row.detail] == list(decisive)
    assert (bool(row.title), bool(row.remedy)) == (True, verdict is not Verdict.PASS)


def test_dmarc_without_check_is_unknown() -> None:
    subjects = {CheckKind.DMARC: [ProofSubject(CheckKind.DMARC, "one.test", None)]}

    row = row_of(facts_for("outbound", subjects=subjects), "dmarc")

    assert (row.verdict, row.check) == (Verdict.UNKNOWN, None)


@pytest.mark.parametrize("is_misconfigured", [False, True])
def test_failing_spf_has_one_shape(is_misconfigured: bool) -> None:
    """The Domains page, the readiness row and the board of the same failing check."""
    subject = subject_of(CheckKind.SPF, "fail")
    assert subject.check is not None
    assert subject.check.latest is not None
    subject.check.is_misconfigured = is_misconfigured
    subject.check.latest.evidence = {
        "servers": [
            {"name": "ns1", "address": "192.0.2.1", "status": "records", "ttl": 60,
             "values": [f"v=spf1 {'include:i.test ' if is_misconfigured else ''}-all"]},
        ]
    }  # fmt: skip

    row = row_of(facts_for("outbound", subjects={CheckKind.SPF: [subject]}), "spf")
    (board,) = spf_boards([subject], "i.test")

    shape = shape_of_state(subject.state)
    assert shape == (Shape.FAIL if is_misconfigured else Shape.TODO)
    assert (row.shape, row.is_blocking, board.shape) == (shape, True, shape)
    assert board.is_complete is False
