"""The worker of the web server: threads for pages, and two threads for requested runs.

"Check now" only queues a run, so it can wait. When hundreds of people press it at once, their
requests wait for these two threads, and the pages of other people use the other threads.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from selectors import EVENT_READ
from socket import MSG_DONTWAIT, MSG_PEEK
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

RUN_THREADS = 2
# A path longer than this is no request of a run.
_PEEK_BYTES = 512
_RUN_REQUEST = re.compile(rb"POST /[^ ?]*/run/[ ?]")
# A connection without a request uses no thread, and is closed after this time.
_FIRST_REQUEST_WITHIN_SECONDS = 7.0


class WebWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's worker with threads, in which a crowd that requests runs delays no page."""

    def init_process(self) -> None:
        self.run_pool = ThreadPoolExecutor(max_workers=RUN_THREADS, thread_name_prefix="runs")
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Submit the connection to the threads for its request, once the request is readable."""
        if self.alive and not conn.initialized and not conn.data_ready:
            self._wait_for_request(conn)
            return
        pool = self.run_pool if _requests_run(conn) else self.tpool
        future = pool.submit(self.handle, conn)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def run(self) -> None:
        super().run()
        self.run_pool.shutdown(wait=False, cancel_futures=True)

    def handle_quit(self, sig: int, frame: object) -> None:
        self.run_pool.shutdown(wait=False, cancel_futures=True)
        super().handle_quit(sig, frame)

    def _wait_for_request(self, conn: Any) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + _FIRST_REQUEST_WITHIN_SECONDS
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, readable)


def _requests_run(conn: Any) -> bool:
    try:
        start = conn.sock.recv(_PEEK_BYTES, MSG_PEEK | MSG_DONTWAIT)
    except OSError:
        return False
    return _RUN_REQUEST.match(start) is not None
