"""Compress pages. The product needs no proxy for this."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

# Not JSON: compression makes an ETag weak, and If-Match needs a strong one (RFC 9110 section
# 13.1.1). Files of people are compressed already, or small.
COMPRESSED_TYPES = ("text/html", "text/csv")


class PageCompressionMiddleware(GZipMiddleware):
    """Compress pages and tables with gzip.

    Secrets stay secret: Django changes the CSRF token in each response, and adds random bytes to
    the compressed content (the BREACH attack).
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in COMPRESSED_TYPES:
            return response
        return super().process_response(request, response)
