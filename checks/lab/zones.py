"""Change the lab's zones. Each change replaces one file; the servers read it at once."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from checks.lab.addresses import SERVERS, SUFFIX
from checks.lab.zone_records import (
    APEX,
    HostedLockdown,
    LabError,
    LabState,
    Mode,
    NameServer,
    Zone,
    ZoneRecord,
    Zones,
    checked_name,
    checked_record,
    enclosing_zone,
    tidy,
)

DATA_FILE = Path(__file__).parent / "data" / "zones.yaml"
HOSTS = ("smtp", "ldaps")
DEFAULT_TTL = 60


class Lab:
    """The state of one lab, stored in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "state.json"

    def load(self) -> LabState:
        try:
            return _state_from(json.loads(self.file.read_text()))
        except FileNotFoundError:
            return starting_state()
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"{self.file} cannot be read; `lab reset` creates it again.") from error

    def save(self, state: LabState) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(json.dumps(_as_json(state), indent=1))
        unfinished.replace(self.file)

    def change(self, step: Callable[[LabState], LabState]) -> LabState:
        with self._locked():
            state = step(self.load())
            self.save(state)
        return state

    def publish(
        self,
        domain: str,
        rtype: str,
        value: str,
        *,
        label: str = APEX,
        ttl: int | None = None,
        instead: bool = False,
    ) -> ZoneRecord:
        """Add a record.

        With `instead` it replaces its set (for TXT: the records with the same prefix).
        """
        published: list[ZoneRecord] = []

        def step(state: LabState) -> LabState:
            zone_name, at = _place(state.zones, domain, label)
            zone = state.zones.get(zone_name, Zone(0, ()))
            record = checked_record(at, rtype, _ttl(zone, at, rtype, ttl), value)
            published.append(record)
            return _with_zone(state, zone_name, _added(zone, record, instead=instead))

        self.change(step)
        return published[0]

    def withdraw(
        self, domain: str, rtype: str, value: str | None = None, *, label: str = APEX
    ) -> tuple[ZoneRecord, ...]:
        """Remove records and return them; LabError if there are none."""
        taken: list[ZoneRecord] = []

        def step(state: LabState) -> LabState:
            zone_name, at = _place(state.zones, domain, label)
            zone = state.zones.get(zone_name, Zone(0, ()))
            taken.extend(r for r in zone.records if _matches(r, at, rtype, value))
            if not taken:
                raise LabError(f"{zone_name} has no such {rtype.upper()} record at '{at}'.")
            left = tuple(record for record in zone.records if record not in taken)
            return _with_zone(state, zone_name, left)

        self.change(step)
        return tuple(taken)

    def lag(self, server: int) -> None:
        """The server keeps serving its present zones."""
        self._set(
            server, lambda now, zones: now if now.frozen_zones else replace(now, frozen_zones=zones)
        )

    def catch_up(self, server: int) -> None:
        self._set(server, lambda now, zones: replace(now, frozen_zones=None))

    def behave(self, server: int, mode: Mode) -> None:
        self._set(server, lambda now, zones: replace(now, mode=mode))

    def restore(self) -> None:
        """Every server serves the present zones, and every host is open. The rest remains."""
        self.change(
            lambda state: LabState(state.zones, outbound=state.outbound, hosted=state.hosted)
        )

    def close(self, host: str) -> None:
        self.change(lambda state: replace(state, closed=state.closed | {checked_host(host)}))

    def open(self, host: str) -> None:
        self.change(lambda state: replace(state, closed=state.closed - {checked_host(host)}))

    def lock_hosted(self, lockdown: HostedLockdown) -> None:
        """Set the senders that the stand-in for a hosted mail platform rejects."""
        self.change(lambda state: replace(state, hosted=lockdown))

    def route_outbound(self, domain: str) -> None:
        """From now on, the domain's outbound mail leaves through the lab's Mimecast server."""
        self._route(domain, lambda routed: routed | {domain})

    def route_directly(self, domain: str) -> None:
        """From now on, the domain's own server sends its mail directly."""
        self._route(domain, lambda routed: routed - {domain})

    def _route(self, domain: str, step: Callable[[frozenset[str]], frozenset[str]]) -> None:
        def change(state: LabState) -> LabState:
            if domain not in state.zones:
                raise LabError(f"The lab has no zone '{domain}'.")
            return replace(state, outbound=step(state.outbound))

        self.change(change)

    def reset(self) -> None:
        """Restore the records of the sample tenants."""
        with self._locked():
            self.save(starting_state())

    def _set(self, server: int, step: Callable[[NameServer, Zones], NameServer]) -> None:
        if server not in SERVERS:
            raise LabError(f"The lab has name servers 1, 2 and 3, not {server}.")

        def change(state: LabState) -> LabState:
            now = state.servers.get(server, NameServer())
            return replace(state, servers={**state.servers, server: step(now, state.zones)})

        self.change(change)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "state.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def starting_state() -> LabState:
    """The initial records of the sample tenants, from data/zones.yaml."""
    data = yaml.safe_load(DATA_FILE.read_text())
    zones = {
        name: Zone(1, tuple(checked_record(*row) for row in rows))
        for name, rows in data["zones"].items()
    }
    return LabState(zones=zones)


def ownership_codes() -> dict[str, str]:
    """The ownership codes of the sample domains, issued by Mimecast."""
    codes: dict[str, str] = yaml.safe_load(DATA_FILE.read_text())["ownership_codes"]
    return codes


def checked_host(host: str) -> str:
    if host not in HOSTS:
        raise LabError(f"The lab has the hosts {' and '.join(HOSTS)}, not '{host}'.")
    return host


def _place(zones: Zones, domain: str, label: str) -> tuple[str, str]:
    """The zone and the label of a name; a new .test domain becomes a new zone."""
    domain = checked_name(domain)
    if domain == SUFFIX or not domain.endswith(f".{SUFFIX}"):
        raise LabError(f"The lab serves names under .test only, and '{domain}' is not one.")
    name = domain if label in (APEX, "") else f"{checked_name(label, 'record')}.{domain}"
    zone = enclosing_zone(zones, name) or domain
    return zone, name.removesuffix(zone).rstrip(".") or APEX


def _ttl(zone: Zone, label: str, rtype: str, asked: int | None) -> int:
    if asked is not None:
        return asked
    same = (r.ttl for r in zone.records if r.label == label and r.rtype == rtype.upper())
    return next(same, DEFAULT_TTL)


def _added(zone: Zone, record: ZoneRecord, *, instead: bool) -> tuple[ZoneRecord, ...]:
    def is_replaced(other: ZoneRecord) -> bool:
        if not _is_same_set(other, record):
            return False
        return other.value == record.value or (instead and _begins_alike(other, record))

    kept = [other for other in zone.records if not is_replaced(other)]
    at = [other for other in kept if other.label == record.label]
    if any("CNAME" in (other.rtype, record.rtype) for other in at):
        raise LabError(
            f"'{record.label}' would have a CNAME and another record, which DNS forbids."
        )
    # A record set has one TTL (RFC 2181 section 5.2).
    kept = [replace(o, ttl=record.ttl) if _is_same_set(o, record) else o for o in kept]
    return (*kept, record)


def _is_same_set(one: ZoneRecord, other: ZoneRecord) -> bool:
    return (one.label, one.rtype) == (other.label, other.rtype)


def _begins_alike(one: ZoneRecord, other: ZoneRecord) -> bool:
    return one.rtype != "TXT" or one.value.split()[:1] == other.value.split()[:1]


def _matches(record: ZoneRecord, label: str, rtype: str, value: str | None) -> bool:
    if (record.label, record.rtype) != (label, rtype.upper()):
        return False
    return value is None or record.value == tidy(record.rtype, value)


def _with_zone(state: LabState, name: str, records: tuple[ZoneRecord, ...]) -> LabState:
    serial = state.zones[name].serial + 1 if name in state.zones else 1
    return replace(state, zones={**state.zones, name: Zone(serial, records)})


def _as_json(state: LabState) -> dict[str, Any]:
    return {
        "zones": _zones_as_json(state.zones),
        "servers": {
            str(number): {
                "mode": server.mode,
                "kept": None
                if server.frozen_zones is None
                else _zones_as_json(server.frozen_zones),
            }
            for number, server in state.servers.items()
        },
        "closed": sorted(state.closed),
        "outbound": sorted(state.outbound),
        "hosted": state.hosted.value,
    }


def _zones_as_json(zones: Zones) -> dict[str, Any]:
    return {
        name: {"serial": zone.serial, "records": [list(asdict(r).values()) for r in zone.records]}
        for name, zone in zones.items()
    }


def _state_from(data: Mapping[str, Any]) -> LabState:
    servers = {
        int(number): NameServer(
            Mode(server["mode"]), None if server["kept"] is None else _zones_from(server["kept"])
        )
        for number, server in data["servers"].items()
    }
    return LabState(
        _zones_from(data["zones"]),
        servers,
        frozenset(data["closed"]),
        # A state of version 0.1.0 has no routes and no hosted platform.
        frozenset(data.get("outbound", ())),
        HostedLockdown(data.get("hosted", HostedLockdown.OPEN)),
    )


def _zones_from(data: Mapping[str, Any]) -> Zones:
    return {
        name: Zone(zone["serial"], tuple(ZoneRecord(*row) for row in zone["records"]))
        for name, zone in data.items()
    }
