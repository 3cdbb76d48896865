"""Run work in a process of its own that dies at a chosen call, as after SIGKILL."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from django.db import connection

KILLED = 9


def die(*args: Any, **options: Any) -> Any:
    os._exit(KILLED)


def killed_at(owner: Any, name: str, death: Callable[..., Any], work: Callable[[], object]) -> None:
    """Run the work in a child, in which the call of this name is the death."""
    # The child would end the session of an inherited connection.
    connection.close()
    child = os.fork()
    if child == 0:
        setattr(owner, name, death)
        work()
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED
