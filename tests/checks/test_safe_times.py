"""The safe times of a cutover and of a lockdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.safe_times import (
    DELEGATION_TTL_SECONDS,
    ObservedInterval,
    PublishedRecords,
    SafeTime,
    cutover_safe_time,
    lockdown_safe_time,
    observed_interval,
)

NEW = frozenset({"10 in-1.test", "10 in-2.test"})
OLD = frozenset({"10 mail.test"})
EXPECTED = ("in-1.test", "in-2.test")


def at(text: str) -> datetime:
    """`1 09:05` is the first day of the month at 09:05."""
    day, time = text.split()
    hour, minute = time.split(":")
    return datetime(2026, 12, int(day), int(hour), int(minute), tzinfo=UTC)


def interval(first: str, last: str, **ttls: int | None) -> ObservedInterval:
    servers = {n: None if ttl is None else PublishedRecords(OLD, ttl) for n, ttl in ttls.items()}
    return ObservedInterval(at(first), at(last), servers)


def moved(first: str, last: str, **values: tuple[frozenset[str], int] | None) -> ObservedInterval:
    servers = {
        name: None if seen is None else PublishedRecords(*seen) for name, seen in values.items()
    }
    return ObservedInterval(at(first), at(last), servers)


def test_cutover_waits_for_old_ttl() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=86_400, ns2=86_400, ns3=86_400, ns4=86_400),
        interval("1 09:05", "1 12:00", ns1=300, ns2=300, ns3=300, ns4=300),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert safe_time.safe_at == at("2 09:05")
    assert (safe_time.ttl, safe_time.seen_until, safe_time.is_assumed) == (
        86_400,
        at("1 09:05"),
        False,
    )


def test_lockdown_waits_for_old_set_plus_margin() -> None:
    intervals = [
        moved("1 09:05", "2 10:00", ns1=(OLD, 300), ns2=(OLD, 300)),
        moved("2 10:02", "2 10:30", ns1=(NEW, 300), ns2=(NEW, 300)),
    ]

    assert lockdown_safe_time(intervals, expected=EXPECTED).safe_at == at("2 14:07")


def test_slowest_server_decides() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=21_600, ns2=21_600),
        interval("1 09:05", "1 14:30", ns1=300, ns2=21_600),
        interval("1 14:35", "1 15:00", ns1=300, ns2=300),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert (safe_time.safe_at, safe_time.server) == (at("1 20:35"), "ns2")


def test_old_answer_blocks_safe_time() -> None:
    intervals = [interval("1 08:00", "1 09:00", ns1=300, ns2=3600)]

    assert cutover_safe_time(intervals, threshold=300) == SafeTime(None, pending_servers=("ns2",))


def test_silent_server_is_never_safe() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=3600, ns2=None),
        interval("1 10:00", "1 11:00", ns1=300, ns2=None),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert safe_time == SafeTime(None, pending_servers=("ns2",), silent_servers=("ns2",))


def test_newly_silent_server_is_not_safe() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=3600, ns2=3600),
        interval("1 10:00", "1 11:00", ns1=300, ns2=300),
        interval("1 12:00", "1 13:00", ns1=300, ns2=None),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert safe_time == SafeTime(None, pending_servers=("ns2",), silent_servers=("ns2",))


def test_run_without_servers() -> None:
    intervals = [interval("1 08:00", "1 09:00", ns1=300), interval("1 10:00", "1 11:00")]

    assert cutover_safe_time(intervals, threshold=300) == SafeTime(None)


def test_silence_between_two_answers() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=3600, ns2=3600),
        interval("1 10:00", "1 11:00", ns1=300, ns2=None),
        interval("1 12:00", "1 13:00", ns1=300, ns2=300),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert (safe_time.safe_at, safe_time.server) == (at("1 13:00"), "ns2")


def test_raised_ttl_blocks_safe_time() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=3600),
        interval("1 10:00", "1 11:00", ns1=300),
        interval("1 12:00", "1 13:00", ns1=3600),
    ]

    assert cutover_safe_time(intervals, threshold=300).safe_at is None


def test_unknown_old_ttl_assumes_a_day() -> None:
    safe_time = cutover_safe_time([interval("1 10:00", "1 11:00", ns1=300)], threshold=300)

    assert (safe_time.safe_at, safe_time.is_assumed) == (at("2 10:00"), True)
    assert safe_time.server == "ns1"


@pytest.mark.parametrize(("gone", "ttl", "is_assumed"), [(3600, 3600, False), (None, 86_400, True)])
def test_departed_server_counts_until_expiry(gone: int | None, ttl: int, is_assumed: bool) -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=3600, gone=gone),
        interval("1 10:00", "1 11:00", ns1=300),
        interval("1 12:00", "9 12:00", ns1=60),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert safe_time.safe_at == at("1 10:00") + timedelta(seconds=DELEGATION_TTL_SECONDS + ttl)
    assert (safe_time.server, safe_time.has_left, safe_time.is_assumed) == (
        "gone",
        True,
        is_assumed,
    )


def test_observed_interval_by_server() -> None:
    rows = [
        {"name": "ns1.test", "address": "192.0.2.1", "status": "records", "values": [], "ttl": 60},
        {"name": "ns2.test", "address": "192.0.2.2", "status": "no-name"},
        {"name": "ns3.test", "address": "192.0.2.3", "status": "timeout"},
    ]
    silent = ["ns3.test (192.0.2.3)", "ns4.test"]
    findings = [{"code": "dns.server-silent", "params": {"servers": silent, "reasons": []}}]

    seen = observed_interval(
        {"servers": rows}, findings, first_seen_at=at("1 08:00"), last_seen_at=at("1 09:00")
    )

    assert (seen.first_seen_at, seen.last_seen_at) == (at("1 08:00"), at("1 09:00"))
    assert seen.servers == {
        "ns1.test (192.0.2.1)": PublishedRecords(frozenset(), 60),
        "ns2.test (192.0.2.2)": PublishedRecords(frozenset(), 0),
        "ns3.test (192.0.2.3)": None,
        "ns4.test": None,
    }


def test_no_observation_no_safe_time() -> None:
    assert cutover_safe_time([], threshold=300) == SafeTime(None)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 500),
            st.lists(st.sampled_from([60, 300, 3600, 21_600, None]), min_size=2, max_size=2),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_never_before_last_cache_expires(
    steps: Sequence[tuple[int, list[int | None]]],
) -> None:
    """A cache queried each server at every run, and as late as possible before the next one."""
    intervals, time = [], at("1 00:00")
    for minutes, ttls in steps:
        servers = {
            f"ns{n}": None if ttl is None else PublishedRecords(OLD, ttl)
            for n, ttl in enumerate(ttls)
        }
        intervals.append(ObservedInterval(time, time, servers))
        time += timedelta(minutes=minutes)

    safe_time = cutover_safe_time(intervals, threshold=300)

    if safe_time.safe_at is None:
        return
    for number, seen in enumerate(intervals):
        for name, published in seen.servers.items():
            if published is None or published.ttl <= 300:
                continue
            later = [
                s.first_seen_at for s in intervals[number + 1 :] if s.servers[name] is not None
            ]
            assert safe_time.safe_at >= later[0] + timedelta(seconds=published.ttl)


@pytest.mark.parametrize("values", [OLD, OLD | NEW, frozenset({"10 in-1.test"})])
def test_lockdown_needs_exact_new_set(values: frozenset[str]) -> None:
    intervals = [moved("1 09:00", "1 10:00", ns1=(values, 300))]

    assert lockdown_safe_time(intervals, expected=EXPECTED) == SafeTime(
        None, pending_servers=("ns1",)
    )


def _emptied(text: str, *names: str, **ttls: int) -> ObservedInterval:
    gone = dict.fromkeys(names, PublishedRecords(frozenset(), 0))
    return ObservedInterval(
        at(text), at(text), gone | {n: PublishedRecords(OLD, ttl) for n, ttl in ttls.items()}
    )


def test_lost_zone_has_no_low_ttl() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=300, ns2=300),
        _emptied("1 10:00", "ns2", ns1=300),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert safe_time == SafeTime(None, pending_servers=("ns2",), empty_servers=("ns2",))


def test_empty_answer_between_two_is_ignored() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=3600),
        _emptied("1 09:05", "ns1"),
        interval("1 09:10", "1 10:00", ns1=300),
        _emptied("1 10:05", "ns1"),
        interval("1 10:10", "1 10:30", ns1=300),
    ]

    assert cutover_safe_time(intervals, threshold=300).safe_at == at("1 10:10")


def test_domain_without_mx_is_safe() -> None:
    assert cutover_safe_time([_emptied("1 10:00", "ns1")], threshold=300).safe_at == at("2 10:00")


def test_moved_domain_may_have_any_ttl() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=3600),
        interval("1 10:00", "1 11:00", ns1=300),
        moved("1 12:00", "1 13:00", ns1=(NEW, 86_400)),
    ]

    assert cutover_safe_time(intervals, threshold=300, expected=EXPECTED).safe_at == at("1 11:00")
    assert cutover_safe_time(intervals, threshold=300).safe_at is None


@pytest.mark.parametrize("status", ["no-record", "no-name"])
def test_denial_is_an_empty_answer(status: str) -> None:
    rows = [{"name": "ns1.test", "address": "192.0.2.1", "status": status}]

    seen = observed_interval(
        {"servers": rows}, [], first_seen_at=at("1 08:00"), last_seen_at=at("1 09:00")
    )

    assert seen.servers == {"ns1.test (192.0.2.1)": PublishedRecords(frozenset(), 0)}


@pytest.mark.parametrize(
    ("intervals", "expected", "is_moved"),
    [
        ([moved("1 09:00", "1 10:00", ns1=(NEW, 300))], EXPECTED, True),
        ([moved("1 09:00", "1 10:00", ns1=(OLD, 300))], EXPECTED, False),
        ([moved("1 09:00", "1 10:00", ns1=(NEW, 300), ns2=(OLD, 300))], EXPECTED, False),
        ([moved("1 09:00", "1 10:00", ns1=(NEW, 300), ns2=None)], EXPECTED, False),
        ([moved("1 09:00", "1 10:00", ns1=(frozenset(), 0))], (), False),
        ([interval("1 09:00", "1 10:00")], EXPECTED, False),
        ([], EXPECTED, False),
        (
            [
                moved("1 09:00", "1 10:00", ns1=(NEW, 300)),
                moved("1 11:00", "1 12:00", ns1=(OLD, 300)),
            ],
            EXPECTED,
            False,
        ),
    ],
)
def test_is_moved_needs_expected_hosts_everywhere(
    intervals: list[ObservedInterval], expected: tuple[str, ...], is_moved: bool
) -> None:
    safe_time = cutover_safe_time(intervals, threshold=300, expected=expected)

    assert safe_time.is_moved is is_moved


def test_lockdown_without_old_answer_assumes_a_day() -> None:
    intervals = [moved("1 09:00", "1 10:00", ns1=(NEW, 300))]

    safe_time = lockdown_safe_time(intervals, expected=EXPECTED, margin=timedelta())

    assert (safe_time.safe_at, safe_time.is_assumed) == (at("2 09:00"), True)


def test_lockdown_waits_after_an_empty_answer() -> None:
    intervals = [
        moved("1 08:00", "1 09:00", ns1=(OLD, 300)),
        moved("1 10:00", "1 11:00", ns1=(NEW, 300)),
        moved("1 12:00", "1 12:00", ns1=(frozenset(), 0)),
        moved("1 13:00", "1 14:00", ns1=(NEW, 300)),
        moved("1 15:00", "1 16:00", ns1=(NEW, 60)),
    ]

    safe_time = lockdown_safe_time(intervals, expected=EXPECTED, margin=timedelta())

    assert safe_time.safe_at == at("1 13:00")


def test_departed_server_with_empty_answer() -> None:
    intervals = [
        moved("1 08:00", "1 09:00", ns1=(OLD, 300), gone=(OLD, 300)),
        moved("1 10:00", "1 11:00", ns1=(NEW, 300), gone=(frozenset(), 0)),
        moved("1 12:00", "1 13:00", ns1=(NEW, 300)),
    ]

    safe_time = lockdown_safe_time(intervals, expected=EXPECTED, margin=timedelta())

    left_at = at("1 12:00") + timedelta(seconds=DELEGATION_TTL_SECONDS)
    assert safe_time.safe_at == left_at + timedelta(seconds=300)


def test_departed_server_counts_from_first_absence() -> None:
    intervals = [
        interval("1 08:00", "1 09:00", ns1=300, gone=3600),
        *(interval(f"1 {hour}:00", f"1 {hour}:30", ns1=hour) for hour in (10, 11, 12, 13)),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert safe_time.seen_until == at("1 10:00")


def test_server_with_found_address_has_not_left() -> None:
    intervals = [
        interval("1 08:00", "1 08:30", **{"ns1": 3600, "ns9.test": None}),
        interval("1 09:00", "1 09:30", **{"ns1": 3600, "ns9.test": None}),
        interval("1 10:00", "1 10:30", **{"ns1": 3600, "ns9.test": None}),
        interval("1 11:00", "1 11:30", **{"ns1": 300, "ns9.test (192.0.2.9)": 300}),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300)

    assert (safe_time.safe_at, safe_time.has_left) == (at("2 11:00"), False)


def test_lockdown_of_removed_records() -> None:
    intervals = [
        moved("1 08:00", "1 09:00", ns1=(OLD, 3600)),
        moved("1 10:00", "1 11:00", ns1=(frozenset(), 0)),
    ]

    safe_time = lockdown_safe_time(intervals, expected=(), margin=timedelta())

    assert safe_time.safe_at == at("1 11:00")


def test_ownership_proof_of_microsoft_receives_no_mail() -> None:
    proof = "32767 ms12345678.msv1.invalid"
    intervals = [
        moved("1 08:00", "1 12:00", ns1=(OLD, 3600)),
        moved("1 12:05", "3 12:00", ns1=(NEW | {proof}, 300)),
    ]

    safe_time = cutover_safe_time(intervals, threshold=300, expected=EXPECTED)

    assert safe_time.is_moved
    assert lockdown_safe_time(intervals, expected=EXPECTED) == lockdown_safe_time(
        [intervals[0], moved("1 12:05", "3 12:00", ns1=(NEW, 300))], expected=EXPECTED
    )
    assert lockdown_safe_time(intervals, expected=EXPECTED).safe_at is not None
