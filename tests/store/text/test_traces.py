"""Trace ids: a caller's is taken where W3C Trace Context says that it is valid, and ignored otherwise; what is given is valid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store.text import traces
from store.text.traces import Trace
from tests.support.generated import samples

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"

HEX = "0123456789abcdef"


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=digits, max_size=digits).filter(lambda text: text.strip("0"))


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (VALID, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        # Flags of later versions say nothing here; the first is read.
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-fe", False),
        # A later version may add parts.
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-00-what the future brings", False),
        (f"fe-{TRACE}-{SPAN}-01-", True),
    ],
)
def test_a_valid_trace_is_continued(header: str, sampled: bool) -> None:
    assert traces.parse(header) == Trace(TRACE, is_sampled=sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        VALID[:-1],
        f"{VALID}0",
        f"{VALID}-",
        f"{VALID}-00",
        f"{VALID}\n",
        f" {VALID}",
        f"{VALID} ",
        # Two headers, as a server joins them.
        f"{VALID},{VALID}",
        VALID.upper(),
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"ff-{TRACE}-{SPAN}-01",
        f"FE-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}g-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"01-{TRACE}-{SPAN}-01.more",
        f"01-{TRACE}-{SPAN}-011",
        f"00-{TRACE.replace('4', '４')}-{SPAN}-01",
    ],
)
def test_what_is_not_valid_is_ignored(header: str) -> None:
    assert traces.parse(header) is None


@samples.properties(examples=2000)
@given(st.one_of(st.text(f"{HEX}-AG \n", max_size=70), st.text(max_size=70), st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-.*")))
@example(VALID)
def test_whatever_is_sent_as_a_traceparent_is_continued_or_ignored(header: str) -> None:
    found = traces.parse(header)
    if found is None:
        return
    assert header[3:35] == found.id
    assert set(found.id) <= set(HEX)
    assert int(found.id, 16)
    assert traces.parse(found.parent()) == found


@samples.properties(examples=500)
@given(hexadecimal(32), hexadecimal(16), st.integers(0, 255))
def test_every_trace_survives_being_kept_and_given_to_others(trace_id: str, span_id: str, flags: int) -> None:
    found = traces.parse(f"00-{trace_id}-{span_id}-{flags:02x}")
    assert found == Trace(trace_id, is_sampled=flags % 2 == 1)
    assert len(found.kept) == 35
    assert traces.from_kept(found.kept) == found
    assert traces.id_of(found.kept) == trace_id
    given = found.parent()
    assert (given[:36], given[-3:], len(given)) == (f"00-{trace_id}-", f"-{flags % 2:02x}", 55)
    assert given[36:52] != span_id


def test_each_trace_that_begins_here_is_another_and_nobody_records_it() -> None:
    begun = [traces.begin() for _ in range(1000)]
    assert len({trace.id for trace in begun}) == 1000
    assert all(traces.parse(trace.parent()) == trace and not trace.is_sampled for trace in begun)


@pytest.fixture
def without_a_trace() -> Iterator[None]:
    """Another test of this process may have left its own."""
    with traces.following(None):
        yield


@pytest.mark.usefixtures("without_a_trace")
def test_a_request_to_others_continues_the_trace_of_the_work_and_has_none_without() -> None:
    assert traces.headers() == {}
    with traces.following(Trace(TRACE, is_sampled=True)):
        given = traces.headers()["traceparent"]
        with traces.following(None):
            assert traces.headers() == {}
        assert traces.current() == Trace(TRACE, is_sampled=True)
    assert given.startswith(f"00-{TRACE}-")
    assert traces.current() is None
