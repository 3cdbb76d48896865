"""The live board: answers of servers and resolvers, compared with the region's hosts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind
from onboarding.cutovers.live_board import DomainBoard, mx_boards, spf_boards
from onboarding.plans.proof import ProofSubject
from tests.onboarding.cutovers.readiness_facts import NOW, subject_of

HOSTS = ("in-1.mimecast.test", "in-2.mimecast.test")
NEW = ["10 in-1.mimecast.test", "10 in-2.mimecast.test"]
OLD = ["10 mail.one.test"]


def _row(values: list[str], *, ttl: int | None = 300, status: str = "records") -> dict[str, Any]:
    return {"name": "ns1.one.test", "address": "192.0.2.1", "status": status,
            "values": values, "ttl": ttl}  # fmt: skip


def _board(
    servers: list[dict[str, Any]], resolvers: list[dict[str, Any]], stale: tuple[str, ...] = ()
) -> DomainBoard:
    subject = subject_of(CheckKind.MX, "pass")
    assert subject.check is not None
    assert subject.check.latest is not None
    subject.check.pk = 1
    subject.check.latest.first_seen_at = NOW
    subject.check.latest.evidence = {"servers": servers, "resolvers": resolvers}
    (board,) = mx_boards(
        [ProofSubject(CheckKind.MX, "one.test", subject.check)], HOSTS, {}, stale=stale
    )
    return board


def test_stale_board_is_unknown() -> None:
    assert _board([_row(NEW)], []).shape == "pass"
    assert _board([_row(NEW)], [], ("one.test",)).shape == "unknown"
    assert _board([_row(NEW)], [], ("two.test",)).shape == "pass"


def test_resolver_count_and_expiry() -> None:
    board = _board(
        [_row(NEW)],
        [
            _row(NEW),
            _row(OLD, ttl=240),
            _row([*NEW, *OLD], ttl=60),
            _row([], status="timeout", ttl=None),
        ],
    )

    assert board.resolvers_switched_count == 1
    assert [row.shape for row in board.resolvers] == ["pass", "waiting", "waiting", "unknown"]
    assert [row.expires_at for row in board.resolvers] == [
        None,
        NOW + timedelta(seconds=240),
        NOW + timedelta(seconds=60),
        None,
    ]


def test_region_without_hosts_is_unknown() -> None:
    subject = subject_of(CheckKind.MX, "pass")
    assert subject.check is not None
    assert subject.check.latest is not None
    subject.check.latest.evidence = {"servers": [_row(NEW)], "resolvers": [_row(NEW)]}

    (board,) = mx_boards([subject], (), {})

    assert [row.shape for row in board.servers] == ["unknown"]
    assert [row.shape for row in board.resolvers] == ["unknown"]


@pytest.mark.parametrize(
    ("servers", "shape", "moved"),
    [
        ([_row(NEW), _row(NEW)], "pass", 2),
        ([_row([*NEW, "32767 ms1.msv1.invalid"]), _row(NEW)], "pass", 2),
        ([_row(NEW), _row(OLD)], "waiting", 1),
        ([_row([*NEW, *OLD]), _row(NEW)], "fail", 1),
        ([_row(NEW), _row([], status="timeout", ttl=None)], "unknown", 1),
        ([_row(NEW[:1]), _row(NEW)], "waiting", 1),
        ([], "unknown", 0),
    ],
)
def test_board_shape_by_servers(servers: list[dict[str, Any]], shape: str, moved: int) -> None:
    board = _board(servers, [])

    assert (board.shape, board.switched_count) == (shape, moved)


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ([], "No answer from the name servers yet"),
        ([_row(NEW), _row(OLD)], "New answer published at 1 of 2 name servers"),
        ([_row(OLD), _row(OLD)], "New answer published at 0 of 2 name servers"),
        ([_row([*NEW, *OLD])] * 3, "Old MX still published at 3 of 3 name servers"),
        ([_row([*NEW, *OLD]), _row(NEW)], "Old MX still published at 1 of 2 name servers"),
        (
            [_row([], status="no-record"), _row([], status="no-name")],
            "No MX record published at any of 2 name servers",
        ),
        (
            [_row([], status="no-record"), _row([], status="timeout", ttl=None)],
            "New answer published at 0 of 2 name servers",
        ),
    ],
)
def test_summary_names_published_records(servers: list[dict[str, Any]], words: str) -> None:
    assert _board(servers, []).summary == words


def test_partly_published_hosts() -> None:
    partly = _board([_row(NEW[:1]), _row(NEW)], [])
    mixed = _board([_row(NEW[:1]), _row(OLD)], [])

    assert [row.shape for row in partly.servers] == ["partial", "pass"]
    assert (partly.is_partly_published, mixed.is_partly_published) == (True, False)


# --- Outbound: SPF

INCLUDE = "us._netblocks.mimecast.test"


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([f"v=spf1 mx include:{INCLUDE} ~all"], "pass"),
        ([f"V=SPF1 +include:{INCLUDE.upper()} -all", "verify=1"], "pass"),
        (["v=spf1 mx -all"], "waiting"),
        ([f"v=spf1 include:eu.{INCLUDE} -all"], "waiting"),
        ([f"v=spf1 include:{INCLUDE} -all", "v=spf1 mx -all"], "waiting"),
        ([f"include:{INCLUDE}"], "waiting"),
        ([], "waiting"),
    ],
)
def test_spf_board_shape_by_values(values: list[str], shape: str) -> None:
    subject = subject_of(CheckKind.SPF, "pass")
    assert subject.check is not None
    assert subject.check.latest is not None
    subject.check.latest.evidence = {"servers": [_row(values)]}

    (board,) = spf_boards([subject], INCLUDE)
    (unknown,) = spf_boards([subject], "")
    (stale,) = spf_boards([subject], INCLUDE, stale=["one.test"])

    assert (board.shape, board.servers[0].shape, board.leftovers) == (shape, shape, ())
    assert all("spf1" in value.lower() for value in board.servers[0].values)
    assert (unknown.shape, stale.shape) == ("unknown", "unknown")


def test_silent_server_makes_spf_board_unknown() -> None:
    subject = subject_of(CheckKind.SPF, "pass")
    assert subject.check is not None
    assert subject.check.latest is not None
    answered = _row([f"v=spf1 include:{INCLUDE} -all"])
    subject.check.latest.evidence = {"servers": [answered, _row([], status="timeout", ttl=None)]}

    (board,) = spf_boards([subject], INCLUDE)

    assert (board.shape, board.switched_count) == ("unknown", 1)
