"""Pages whose address is a secret: links of e-mails, share links, calendar feeds, sign-in codes.

Such a page sends no referrer, so that no other server and no log of this one receives its address.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

# The secret parameter of URL patterns, and the pattern of the sign-in library without it.
SECRET_PARAMETER = "token"
SECRET_NAME = "account_reset_password_from_key"
# The parameters of queries: a sign-in code of the identity provider, and the next page after a
# sign-in, whose address can be secret.
_CODE, _NEXT = "code", "next"

GetResponse = Callable[[HttpRequest], HttpResponse]


def secret_address_middleware(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        _restore_origin(request)
        response = get_response(request)
        if _has_secret(request):
            response["Referrer-Policy"] = "no-referrer"
        return response

    return middleware


def _has_secret(request: HttpRequest) -> bool:
    return (
        _is_secret(request.path_info)
        or _CODE in request.GET
        or any(_is_secret(_path_of(each)) for each in request.GET.getlist(_NEXT))
    )


def _path_of(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:  # a bracket without its pair
        return ""


def _is_secret(path: str) -> bool:
    try:
        match = resolve(path)
    except Resolver404:
        return False
    return SECRET_PARAMETER in match.kwargs or match.url_name == SECRET_NAME


def _restore_origin(request: HttpRequest) -> None:
    """Set the origin of a form on a page without referrer, which browsers send as `null`.

    `Sec-Fetch-Site: same-origin` proves it: no page can set this header. A browser without this
    header is trusted at a secret address, which another site does not know. Django compares the
    CSRF token in both cases.
    """
    if request.META.get("HTTP_ORIGIN") != "null":
        return
    site = request.META.get("HTTP_SEC_FETCH_SITE")
    if site == "same-origin" or (site is None and _is_secret(request.path_info)):
        request.META["HTTP_ORIGIN"] = f"{request.scheme}://{request.get_host()}"
