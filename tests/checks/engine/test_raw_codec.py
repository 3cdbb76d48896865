"""All answers of a run can be encoded as JSON and decoded again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.engine.dns.lookup import Delegation, LookupFailure, NoName, NoRecord, Records
from checks.engine.hosts.https import Fetched, FetchFailure, NotFetched
from checks.engine.hosts.ldaps import LdapsAnswer, NoTls
from checks.engine.hosts.prober import ConnectionFailure, NotProbed
from checks.engine.hosts.smtp import SmtpDialogue
from checks.engine.outcomes import Finding, Verdict
from checks.engine.raw_codec import decode, encode

_words = st.text(max_size=8)
st.register_type_strategy(
    Finding,
    st.builds(Finding, _words, st.dictionaries(_words, st.lists(_words, max_size=2), max_size=2)),
)
_entries = st.none() | st.dictionaries(_words, st.lists(_words, max_size=2).map(tuple), max_size=2)
_answers = st.one_of(
    *(st.from_type(each) for each in (Records, NoRecord, NoName, LookupFailure, Delegation))
)
_reached = (
    st.from_type(SmtpDialogue)
    | st.from_type(ConnectionFailure)
    | st.from_type(NoTls)
    | st.builds(LdapsAnswer, root=_entries)
    | st.from_type(Fetched)
    | st.from_type(NotFetched)
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(_answers | st.tuples(_words, _reached) | st.lists(_words) | st.from_type(NotProbed))
def test_decode_restores_encoded_answers(value: Any) -> None:
    encoded = json.dumps(encode(value))

    assert decode(json.loads(encoded)) == value


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (NoName(), {"$": "NoName"}),
        (NoRecord(), {"$": "NoRecord"}),
        (LookupFailure("timeout"), {"$": "CouldNotTell", "reason": "timeout"}),
        (Records(()), {"$": "Records", "records": []}),
        (Verdict.FAIL, {"$": "Verdict", "is": "fail"}),
        (FetchFailure.STATUS, {"$": "Failure", "is": "status"}),
    ],
)
def test_encoded_form_is_stable(value: Any, encoded: Any) -> None:
    assert encode(value) == encoded
    assert decode(encoded) == value


def test_encode_refuses_unknown_type() -> None:
    with pytest.raises(TypeError, match="set has no form"):
        encode({1})
