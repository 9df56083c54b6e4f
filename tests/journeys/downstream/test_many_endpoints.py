"""Many endpoints: those that hang or fail delay nobody, cost few threads and little memory, and a failure of ours costs no attempt."""

from __future__ import annotations

import re
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults import processes
from tests.journeys.downstream.test_reacting import Telling, telling, told, warnings
from tests.support import payloads
from tests.support.downstream import Downstream, Message, Reply
from tests.support.service import end, eventually

__all__ = ["told"]

ENDPOINTS, HANGING, FAILING, CHANGES = 50, 10, 10, 12

#: What the service promises for a healthy endpoint, and for its dispatcher.
SECONDS_MAX, KIB_MAX, THREADS_MAX = 2.0, 120 * 1024, 32

#: Room for a slow machine. Whoever waits for one that hangs waits 15 seconds.
NOISE_SECONDS = 6.0


def number_of(message: Message) -> int:
    return int(message.path.rpartition("/")[2])


def answered(release: threading.Event) -> Callable[[Message], Reply]:
    """The first endpoints hang, the next fail, the rest are healthy."""

    def answer(message: Message) -> Reply:
        if number_of(message) < HANGING:
            release.wait(60)
        return Reply(503 if number_of(message) < HANGING + FAILING else 200)

    return answer


def dispatcher(told: Telling) -> int:
    """The process that sends to endpoints."""

    def find() -> int | None:
        family = processes.descendants(told.service.processes[1].pid)
        return next((pid for pid in family if processes.runs(pid, "handlers.notify.dispatcher", "endpoints")), None)

    return eventually(find, "the dispatcher to run")


def status(pid: int, name: str) -> int:
    """A number of /proc/PID/status, such as VmRSS (KiB) or Threads."""
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def urls(downstream: Downstream, count: int = ENDPOINTS) -> str:
    return ",".join(downstream.url(f"/{number}") for number in range(count))


def committed(told: Telling) -> dict[str, float]:
    """When each change was committed, by its applicant, in seconds since 1970."""
    data = told.service.get("/v1/changes", limit=500).json["data"]
    return {entry["reference"]: datetime.fromisoformat(entry["at"]).timestamp() for entry in data if entry["reversal"] == "adverse"}


@pytest.mark.alone
def test_among_fifty_endpoints_ten_hang_and_ten_fail_and_the_rest_are_told_at_once(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    release, offset = threading.Event(), time.time() - time.monotonic()
    with ExitStack() as stack:
        downstream = stack.enter_context(Downstream(answered(release)))
        told = stack.enter_context(telling(database_url, redis_url, tmp_path, downstream, urls(downstream), NOTIFY_ON="adverse"))
        sender = dispatcher(told)
        fallen = [payloads.new_applicant() for _ in range(CHANGES)]
        for who in fallen:
            told.approve(who)
            told.reject(who)
            time.sleep(0.25)
        eventually(lambda: len(healthy(downstream)) >= CHANGES * (ENDPOINTS - HANGING - FAILING), "the healthy to be told")
        eventually(lambda: len(warnings(told)) == CHANGES, "the warnings", seconds=NOISE_SECONDS)
        memory, threads = status(sender, "VmRSS"), status(sender, "Threads")
        since = committed(told)
        waits = sorted(message.at + offset - since[message.reference] for message in healthy(downstream))
        print(f"p50 {waits[len(waits) // 2]:.2f} s, max {waits[-1]:.2f} s, {memory >> 10} MiB, {threads} threads")
        assert waits[-1] < SECONDS_MAX + NOISE_SECONDS
        assert memory < KIB_MAX
        assert threads < THREADS_MAX
        time.sleep(2)
        counts = Counter((message.path, message.reference) for message in healthy(downstream))
        assert set(counts.values()) == {1}, counts.most_common(3)
        assert len(warnings(told)) == CHANGES
        assert dispatcher(told) == sender, "the dispatcher was replaced"
        release.set()


def healthy(downstream: Downstream) -> list[Message]:
    return [message for message in downstream.came if number_of(message) >= HANGING + FAILING]


def test_a_failure_of_our_own_uses_up_no_attempt_and_sends_nothing_twice(told: Telling) -> None:
    """The dispatcher may open no more files: it can connect to nothing until it may again."""
    sender = dispatcher(told)
    limits = resource.prlimit(sender, resource.RLIMIT_NOFILE)
    resource.prlimit(sender, resource.RLIMIT_NOFILE, (0, limits[1]))
    whose = [payloads.new_applicant() for _ in range(4)]
    for who in whose:
        told.approve(who)
    eventually(lambda: re.search("a failure of our own|reactions wait", told.service.logged()), "it to fail")
    time.sleep(1)
    assert told.downstream.came == []
    resource.prlimit(sender, resource.RLIMIT_NOFILE, limits)
    told.came(4)
    rows = eventually(lambda: (found := told.reactions(status="done")) and len(found) == 4 and found, "all to be noted")
    assert [row["attempts"] for row in rows] == [1] * 4
    assert Counter(message.reference for message in told.downstream.came) == dict.fromkeys(whose, 1)


def test_what_was_sent_is_noted_although_something_of_ours_failed_before_the_note(told: Telling) -> None:
    (told.faults / "told").write_text("raise")
    who = payloads.new_applicant()
    told.approve(who)
    eventually(lambda: not (told.faults / "told").exists(), "the note to fail")
    [row] = eventually(lambda: told.reactions(status="done"), "the reaction to be noted")
    assert row["attempts"] == 1
    time.sleep(1)
    assert [message.reference for message in told.downstream.came] == [who]


def test_what_a_crashed_dispatcher_had_under_way_has_used_up_no_attempt(told: Telling) -> None:
    (told.faults / "reaction claimed").write_text("kill")
    told.approve(payloads.new_applicant())
    told.came(1, seconds=40)  # Its lease would have run out after 60.
    [row] = eventually(lambda: told.reactions(status="done"), "the reaction to be noted")
    assert row["attempts"] == 1


def test_a_blip_with_eight_requests_under_way_is_one_failure(told: Telling) -> None:
    """They fail together, and the next is sent at once: five failures in a row would have paused the endpoint."""
    whose, following = {payloads.new_applicant() for _ in range(8)}, payloads.new_applicant()
    known, looked = threading.Event(), threading.Event()

    def answer(message: Message) -> Reply:
        if len(told.downstream.came) <= 8:
            known.wait(10)
            return Reply(500)
        if message.reference == following:
            looked.wait(10)
        return Reply()

    told.downstream.answer = answer
    end(told.service.processes.pop())
    for who in whose:
        told.approve(who)
    told.service.start_worker()
    assert {message.reference for message in told.came(8)} == whose
    # While they are under way the next change comes; it is told once they have failed.
    told.approve(following)
    eventually(lambda: [row for row in told.reactions() if row["reference"] == following], "the next to be known")
    known.set()
    assert told.came(9)[8].reference == following
    # A pause is shown until one is told.
    assert not [one for one in told.lines("notify", "list") if one["rests_until"]]
    looked.set()
    told.came(17)
    eventually(lambda: not told.reactions(status="pending"), "all to be done")
    assert sorted(row["attempts"] for row in told.reactions()) == [1] + [2] * 8


def test_more_endpoints_than_can_be_told_and_one_that_is_named_twice_are_refused(told: Telling) -> None:
    at = told.downstream
    told.service.environment |= {"NOTIFY_URLS": urls(at, 101)}
    assert "at most 100" in told.service.standing("doctor").stdout
    told.service.environment |= {"NOTIFY_URLS": "https://example.com/,https://EXAMPLE.com:443"}
    assert "names an address twice" in told.service.standing("doctor").stdout
    told.service.environment |= {"NOTIFY_URLS": urls(at, 100)}
    assert "NOTIFY_URLS" not in told.service.standing("doctor").stdout
