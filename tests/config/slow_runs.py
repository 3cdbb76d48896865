"""A WSGI application whose requested runs take a second, to test the worker of the web server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with the name of the thread."""
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
        time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]
