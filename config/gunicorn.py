"""Settings of the web server: `gunicorn -c python:config.gunicorn`."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

from config.redaction import RedactingFormatter

wsgi_app = "config.wsgi"
# The code is loaded before the first worker starts: a new worker answers its first request at once,
# and the port is open only when the server is ready.
preload_app = True
control_socket_disable = True
worker_class = "config.web_worker.WebWorker"
threads = 8  # for pages; requested runs have threads of their own


class RedactingLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Hides secrets in the error log and the access log, whose paths contain links of e-mails."""

    def _set_handler(
        self, log: logging.Logger, output: Any, fmt: logging.Formatter, stream: Any = None
    ) -> None:
        super()._set_handler(log, output, RedactingFormatter(fmt._fmt, fmt.datefmt), stream)


logger_class = RedactingLogger
