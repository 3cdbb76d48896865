"""Pages are compressed, API responses and files are not."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from config.compression import PageCompressionMiddleware
from tenants.models import User
from tests.factories import SignIn

TEXT = "<p>Publish the record.</p>" * 100


def answer(content_type: str, *, accepts: str = "gzip, br") -> HttpResponse:
    request = RequestFactory().get("/", headers={"accept-encoding": accepts})
    response = PageCompressionMiddleware(
        lambda _: HttpResponse(TEXT, content_type=content_type, headers={"ETag": '"1"'})
    )(request)
    assert isinstance(response, HttpResponse)
    return response


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=utf-8", "text/csv"])
def test_text_is_compressed(content_type: str) -> None:
    response = answer(content_type)

    assert response["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.content).decode() == TEXT
    assert "Accept-Encoding" in response["Vary"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/problem+json", "application/zip", "message/rfc822"],
)
def test_other_types_are_unchanged(content_type: str) -> None:
    response = answer(content_type)

    assert response.content.decode() == TEXT
    assert "Content-Encoding" not in response
    assert response["ETag"] == '"1"'


def test_client_without_gzip_reads_text() -> None:
    assert answer("text/html", accepts="identity").content.decode() == TEXT


def test_streamed_table_is_compressed() -> None:
    request = RequestFactory().get("/", headers={"accept-encoding": "gzip"})
    response = PageCompressionMiddleware(
        lambda _: StreamingHttpResponse(iter([TEXT, TEXT]), content_type="text/csv")
    )(request)
    assert isinstance(response, StreamingHttpResponse)

    assert gzip.decompress(b"".join(response)).decode() == TEXT * 2


@pytest.mark.django_db
def test_page_is_compressed(consultant: User, signed_in: SignIn) -> None:
    client: Client = signed_in(consultant)
    address = reverse("onboarding:tenant-list")

    plain = client.get(address)
    packed = client.get(address, headers={"accept-encoding": "gzip"})

    assert packed["Content-Encoding"] == "gzip"
    assert b"<main" in gzip.decompress(packed.content)
    assert len(packed.content) * 3 < len(plain.content)
