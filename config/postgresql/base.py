"""Django loads this module as the database backend.

A server whose packets are lost costs a second for an open connection (`tcp_user_timeout`) and two
for a new one (`connect_timeout`). One request would wait for both, and eight at once would occupy
all threads of the web process. After such a wait, the process opens no connection for a second.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import OperationalError
from django.db.backends.postgresql import base

# A refused connection fails sooner: nothing has waited for it.
_SILENT_AFTER_SECONDS = 0.5
PAUSE_SECONDS = 1.0


class _Server:
    """The last wait in this process for a server that did not answer."""

    silent_until = 0.0


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if time.monotonic() < _Server.silent_until:
            raise OperationalError("the database did not answer a moment ago")
        started_at = time.monotonic()
        try:
            return super().get_new_connection(conn_params)
        except self.Database.Error:
            _note_silence(started_at)
            raise

    def is_usable(self) -> bool:
        started_at = time.monotonic()
        is_usable = bool(super().is_usable())
        if not is_usable:
            _note_silence(started_at)
        return is_usable


def _note_silence(started_at: float) -> None:
    if time.monotonic() - started_at > _SILENT_AFTER_SECONDS:
        _Server.silent_until = time.monotonic() + PAUSE_SECONDS
