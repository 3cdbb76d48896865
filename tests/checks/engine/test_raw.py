"""Whatever a look is told can be kept as JSON and read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.engine.hosts import Refused, Unreached
from checks.engine.https import Failure, Fetched, NotFetched
from checks.engine.ldaps import Answered, NoTls
from checks.engine.lookup import (
    CouldNotTell,
    Delegation,
    NoName,
    NoRecord,
    Records,
)
from checks.engine.outcomes import Finding, Verdict
from checks.engine.raw import decode, encode
from checks.engine.smtp import Dialogue

_words = st.text(max_size=8)
st.register_type_strategy(
    Finding,
    st.builds(Finding, _words, st.dictionaries(_words, st.lists(_words, max_size=2), max_size=2)),
)
_entries = st.none() | st.dictionaries(_words, st.lists(_words, max_size=2).map(tuple), max_size=2)
_answers = st.one_of(
    *(st.from_type(each) for each in (Records, NoRecord, NoName, CouldNotTell, Delegation))
)
_reached = (
    st.from_type(Dialogue)
    | st.from_type(Unreached)
    | st.from_type(NoTls)
    | st.builds(Answered, root=_entries)
    | st.from_type(Fetched)
    | st.from_type(NotFetched)
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(_answers | st.tuples(_words, _reached) | st.lists(_words) | st.from_type(Refused))
def test_what_was_told_is_read_again_as_it_was(told: Any) -> None:
    written = json.dumps(encode(told))

    assert decode(json.loads(written)) == told


@pytest.mark.parametrize(
    ("told", "written"),
    [
        (NoName(), {"$": "NoName"}),
        (NoRecord(), {"$": "NoRecord"}),
        (CouldNotTell("timeout"), {"$": "CouldNotTell", "reason": "timeout"}),
        (Records(()), {"$": "Records", "records": []}),
        (Verdict.FAIL, {"$": "Verdict", "is": "fail"}),
        (Failure.STATUS, {"$": "Failure", "is": "status"}),
    ],
)
def test_the_form_that_databases_hold(told: Any, written: Any) -> None:
    assert encode(told) == written
    assert decode(written) == told


def test_a_type_that_nobody_has_named_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no form"):
        encode({1})
