"""The reason in the query of a DELETE that can make inbound mail switch before outbound mail."""

from __future__ import annotations

from rest_framework.request import Request

from onboarding.cutovers.forms import CancelForm
from onboarding.error_responses import problem_of_forms

REASON_QUERY = {
    "reason": "Required if an inbound cutover remains planned and would then switch first. At most"
    " 1,000 characters."
}


def reason_in(request: Request) -> str:
    """The reason, with the rules of the page's form. Raises the 422 error."""
    form = CancelForm({"reason": request.query_params.get("reason", "")})
    if not form.is_valid():
        raise problem_of_forms(form)
    return str(form.cleaned_data["reason"])
