"""All streams of this process, and the changes that they are sent.

1. The feed reports new revisions. They are sent to the streams of the tenant.
2. A sweep compares the revisions of all subscribed tenants every few seconds, so that a lost
   notification delays a change and loses none.
3. The same sweep compares the facts behind each permission. If they differ, the view of the stream
   decides again.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Collection, Coroutine, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db import Error
from django.utils import timezone

from checks.services import prioritize_all_viewed
from config.live.gateway import Gateway, Scope
from config.live.stream import Stream
from onboarding.plans.queries import revisions_of, sum_of_revisions
from onboarding.plans.tenant_page import revision_text
from tenants.notifications import revisions_of_people
from tenants.streams import StreamResponse, Subscription, WaitResponse, current_facts

logger = logging.getLogger(__name__)

BEAT_SECONDS = 45
SWEEP_SECONDS = 5
VIEWED_SECONDS = 60
# The revisions of new streams are compared together.
_GATHER_SECONDS = 0.1
ALL_TENANTS = None


class Hub:
    """The streams by tenant, with the newest known revision of each tenant."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.streams: set[Stream] = set()
        self._by_tenant: dict[int | None, set[Stream]] = {}
        self._revisions: dict[int | None, int] = {}
        self._timed: set[Stream] = set()
        self._computed: set[Stream] = set()
        self._beats: list[set[Stream]] = [set() for _ in range(BEAT_SECONDS)]
        self._owners: Counter[str] = Counter()
        self._new_tenants: set[int | None] = set()
        # The streams of each person whose page has a bell.
        self._by_person: dict[int, set[Stream]] = {}
        self._changed_people: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- Streams

    def has_capacity(self, opening: int) -> bool:
        """Whether one more stream fits, in addition to those that are `opening`."""
        return len(self.streams) + opening < settings.LIVE_MAX_STREAMS

    def has_capacity_for(self, subscription: Subscription) -> bool:
        return self._owners[subscription.owner] < settings.LIVE_MAX_STREAMS_PER_PERSON

    def add(self, response: StreamResponse, request: Scope) -> Stream:
        subscription = response.subscription
        stream = Stream(subscription, request, response.revision)
        stream.bucket = len(self.streams) % BEAT_SECONDS
        self.streams.add(stream)
        self._beats[stream.bucket].add(stream)
        self._owners[subscription.owner] += 1
        self._by_tenant.setdefault(subscription.tenant_id, set()).add(stream)
        if subscription.refresh_seconds:
            self._timed.add(stream)
        if subscription.recompute_seconds:
            self._computed.add(stream)
        # The plan may have changed since the view read it. If the hub does not know, it reads.
        if self._revisions.get(subscription.tenant_id, -1) > response.plan_revision:
            stream.is_stale = True
            self._offer([stream])
        if not self._new_tenants:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._compare_new)
        self._new_tenants.add(subscription.tenant_id)
        if subscription.user_id is not None and not isinstance(response, WaitResponse):
            self._by_person.setdefault(subscription.user_id, set()).add(stream)
            self.receive_people([subscription.user_id])
        return stream

    def remove(self, stream: Stream) -> None:
        subscription = stream.subscription
        self.streams.discard(stream)
        self._beats[stream.bucket].discard(stream)
        self._timed.discard(stream)
        self._computed.discard(stream)
        self._owners[subscription.owner] -= 1
        if not self._owners[subscription.owner]:
            del self._owners[subscription.owner]
        rest = self._by_tenant[subscription.tenant_id]
        rest.discard(stream)
        if not rest:
            del self._by_tenant[subscription.tenant_id]
            self._revisions.pop(subscription.tenant_id, None)
        person = subscription.user_id or 0
        of_person = self._by_person.get(person, set())
        of_person.discard(stream)
        if not of_person:
            self._by_person.pop(person, None)

    # --- Revisions

    @property
    def tenants(self) -> list[int | None]:
        return list(self._by_tenant)

    def receive(self, revisions: Iterable[tuple[int | None, int]], *, is_complete: bool) -> None:
        """Send new revisions to the streams of their tenants.

        `is_complete`: the revisions are those of a query, which knows the sum of all tenants.
        Otherwise each is that of a notification, and changes the lists of all tenants too. Older
        ones are ignored: a query may end after the notification of a later change.
        """
        for tenant_id, revision in revisions:
            if not is_complete:
                self._mark_stale(self._by_tenant.get(ALL_TENANTS, ()))
            streams = self._by_tenant.get(tenant_id)
            if streams is None or revision <= self._revisions.get(tenant_id, -1):
                continue
            self._revisions[tenant_id] = revision
            self._mark_stale(streams)
            self._offer(streams)

    def _mark_stale(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            stream.is_stale = True

    def _offer(self, streams: Iterable[Stream]) -> None:
        now = timezone.now()
        for stream in streams:
            subscription = stream.subscription
            revision = self._revisions.get(subscription.tenant_id)
            if revision is not None and not subscription.recompute_seconds:
                seconds = subscription.refresh_seconds
                stream.offer(revision_text(revision, refresh_seconds=seconds, now=now))

    async def compare(
        self, tenants: Collection[int | None] | None = None, *, is_reset: bool = False
    ) -> None:
        """Read the revisions of these tenants, or of all, in one query, and send the new ones.

        `is_reset`: the database may be another one, so that smaller revisions are new, too.
        """
        wanted = self.tenants if tenants is None else tenants
        if not wanted:
            return
        try:
            found = await self._gateway.query(functools.partial(_read_revisions, list(wanted)))
        except Error as error:
            logger.warning("the revisions cannot be read: %s", error)
            return
        if is_reset:
            self._revisions.clear()
        self.receive(found.items(), is_complete=True)

    def _compare_new(self) -> None:
        tenants, self._new_tenants = self._new_tenants, set()
        self._start(self.compare(tenants))

    # --- Notifications

    def receive_people(self, people: Iterable[int]) -> None:
        """Read the notifications of these people soon, together, and send the new revisions."""
        known = [person for person in people if person in self._by_person]
        if known and not self._changed_people:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._compare_changed_people)
        self._changed_people.update(known)

    def _compare_changed_people(self) -> None:
        people, self._changed_people = self._changed_people, set()
        self._start(self.compare_people(people))

    async def compare_people(self, people: Collection[int] | None = None) -> None:
        """Read the revisions of the bells of these people, or of all, in one query."""
        wanted = list(self._by_person) if people is None else list(people)
        if not wanted:
            return
        try:
            found = await self._gateway.query(functools.partial(revisions_of_people, wanted))
        except Error as error:
            logger.warning("the notifications cannot be read: %s", error)
            return
        for person, revision in found.items():
            for stream in self._by_person.get(person, ()):
                stream.offer_bell(revision)
                if stream.subscription.is_of_person:
                    stream.offer(revision)

    # --- Time

    async def run(self) -> None:
        """Send beats and timed revisions every second, and sweep, until this is cancelled."""
        seconds = 0
        sweep: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(1)
            seconds += 1
            for stream in tuple(self._beats[seconds % BEAT_SECONDS]):
                stream.beat()
            self._offer(self._timed)
            self._recompute()
            if seconds % SWEEP_SECONDS == 0 and (sweep is None or sweep.done()):
                sweep = self._start(self._sweep())
            if seconds % VIEWED_SECONDS == 0:
                self._start(self._prioritize())

    def _recompute(self) -> None:
        now = asyncio.get_running_loop().time()
        for stream in self._computed:
            subscription, age = stream.subscription, now - stream.computed_at
            least = subscription.at_least_seconds
            is_due = (stream.is_stale and age >= subscription.recompute_seconds) or (
                least and age >= least
            )
            if is_due:
                self._rerun(stream)

    async def _sweep(self) -> None:
        await self.compare()
        await self.compare_people()
        people = [stream for stream in self.streams if stream.subscription.facts is not None]
        subscriptions = [stream.subscription for stream in people]
        try:
            found = await self._gateway.query(functools.partial(current_facts, subscriptions))
        except Error as error:
            logger.warning("the permissions of streams cannot be read: %s", error)
            return
        for stream, facts in zip(people, found, strict=True):
            if facts != stream.subscription.facts:
                self._rerun(stream)

    async def _prioritize(self) -> None:
        shown = {s.subscription.tenant_id for s in self.streams if s.subscription.is_open_tenant}
        ids = [tenant_id for tenant_id in shown if tenant_id is not None]
        try:
            await self._gateway.query(
                functools.partial(prioritize_all_viewed, ids, now=timezone.now())
            )
        except Error as error:
            logger.warning("the checks of open pages keep their interval: %s", error)

    # --- Permissions

    def _rerun(self, stream: Stream) -> None:
        """Let the view of the stream decide again, unless it is about to."""
        if not stream.is_rerun and not stream.is_ended:
            stream.is_rerun = True
            self._start(self._decide_again(stream))

    async def _decide_again(self, stream: Stream) -> None:
        stream.is_stale = False
        stream.computed_at = asyncio.get_running_loop().time()
        try:
            response = await self._gateway.respond(stream.request)
        finally:
            stream.is_rerun = False
        if isinstance(response, StreamResponse) and _is_same(stream, response):
            stream.subscription = response.subscription
            if response.subscription.recompute_seconds:
                stream.offer(response.revision)
        elif isinstance(response, StreamResponse) or response.status_code < 500:
            stream.end()
        else:
            # The database is unavailable. The next sweep repeats this.
            stream.is_stale = True

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        # The event loop has only a weak reference to a task.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _is_same(stream: Stream, response: StreamResponse) -> bool:
    """Whether the response is to the same person, about the same tenant."""
    before, after = stream.subscription, response.subscription
    return (before.owner, before.tenant_id) == (after.owner, after.tenant_id)


def _read_revisions(tenants: Collection[int | None]) -> Mapping[int | None, int]:
    ids = [tenant_id for tenant_id in tenants if tenant_id is not None]
    found: dict[int | None, int] = dict(revisions_of(ids).items()) if ids else {}
    if ALL_TENANTS in tenants:
        found[ALL_TENANTS] = sum_of_revisions()
    return found
