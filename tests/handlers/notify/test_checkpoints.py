"""Checkpoints are published at real places: servers, folders on other disks and on this one, log lines."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from handlers.notify import checkpoints, http_sender
from store import database
from store.database.log_tables import Checkpoint, Epoch, LogState, Publication
from store.proof import notes, publications
from store.proof.publications import Published
from store.system import clock, logs
from tests.conftest import forget
from tests.support.downstream import Downstream, Message, Reply
from tests.support.network.certificates import Authority
from tests.support.service import eventually

pytestmark = pytest.mark.usefixtures("kept")

SECRET = f"whsec_{base64.b64encode(b'a secret for our downstream').decode()}"

ORIGIN = "log.example.com/1"


@pytest.fixture(autouse=True)
def _allowed(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own addresses may be called, without TLS."""
    for name, value in {"NOTIFY_SECRETS": SECRET, "NOTIFY_PLAIN_HTTP": "yes", "NOTIFY_PRIVATE_HOSTS": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do a round, with these places."""

    def round_of(*places: str, minutes: int = 10) -> None:
        monkeypatch.setenv("LOG_PUBLISH", ",".join(places))
        monkeypatch.setenv("LOG_MINUTES", str(minutes))
        forget()
        checkpoints.publish_due()

    return round_of


def note(size: int, *, origin: str = ORIGIN) -> str:
    return notes.sign(origin, size, bytes([size]) * 32, b"a seed of 32 bytes for the log..")


def sign(size: int, *, ago: dt.timedelta = dt.timedelta(), epoch: int = 1) -> str:
    """Have the sequencer sign a checkpoint: those before it that were not published are gone."""
    text, at = note(size, origin=f"log.example.com/{epoch}"), clock.now() - ago
    with database.begin() as connection:
        connection.execute(delete(Checkpoint).where(Checkpoint.epoch == epoch, Checkpoint.published.is_(False)))
        connection.execute(database.insert(Checkpoint).values(epoch=epoch, size=size, at=at, note=text, published=False))
        if not connection.execute(select(Epoch.number).where(Epoch.number == epoch)).first():
            connection.execute(database.insert(Epoch).values(number=epoch, origin=f"log.example.com/{epoch}", vkey="x", began_at=at))
    return text


def told() -> list[Published]:
    return database.read(publications.of)


def published() -> list[int]:
    """The sizes of the checkpoints that are kept as published."""
    query = select(Checkpoint.size).where(Checkpoint.published).order_by(Checkpoint.size)
    return list(database.read(lambda connection: connection.execute(query).scalars().all()))


def pass_time(by: dt.timedelta) -> None:
    """Let everything that was published or failed be older."""
    with database.begin() as connection:
        for table, columns in ((Publication, ("published_at", "failed_at")), (Checkpoint, ("at",)), (Epoch, ("began_at",))):
            for row in connection.execute(select(table.__table__)).mappings().all():
                key = [column == row[column.name] for column in table.__table__.primary_key]
                older = {name: row[name] - by for name in columns if row[name]}
                connection.execute(update(table).where(*key).values(older or {columns[0]: None}))


def named(place: str) -> Published:
    return next(one for one in told() if one.place == publications.shown(place))


# web addresses ------------------------------------------------------------------------------------------------


def test_a_server_gets_the_note_in_a_signed_webhook(publish: Callable[..., None]) -> None:
    text = sign(3)
    with Downstream() as downstream:
        publish(downstream.url("/witness"))
    (came,) = downstream.came
    told_of = Webhook(SECRET).verify(came.body, came.headers)
    assert (came.path, came.headers["webhook-id"]) == ("/witness", "log_1_3")
    assert told_of == {"type": "log.checkpoint", "timestamp": told_of["data"]["at"], "data": told_of["data"]}
    root = text.splitlines()[2]
    assert {name: told_of["data"][name] for name in ("origin", "size", "root", "checkpoint")} == {
        "origin": ORIGIN, "size": 3, "root": root, "checkpoint": text,
    }  # fmt: skip
    (kept,) = told()
    assert (kept.epoch, kept.size, kept.failed_at, kept.error) == (1, 3, None, None)
    assert kept.published_at is not None


def test_it_is_published_over_tls_with_a_certificate_that_is_trusted_and_with_no_other(
    publish: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(1)
    with _tls_downstream(tmp_path) as downstream:
        url = f"https://127.0.0.1:{downstream.port}/hook"
        publish(url)
        assert (downstream.came, named(url).size) == ([], None)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        http_sender._tls.cache_clear()
        pass_time(dt.timedelta(hours=1))
        publish(url)
        http_sender._tls.cache_clear()
    assert (len(downstream.came), named(url).size, named(url).error) == (1, 1, None)


@contextmanager
def _tls_downstream(folder: Path) -> Iterator[Downstream]:
    shown = Authority(folder).sign("a witness", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.file, shown.key)
    downstream = Downstream()
    downstream._server.socket = context.wrap_socket(downstream._server.socket, server_side=True)
    with downstream:
        yield downstream


@pytest.mark.parametrize("status", [302, 401, 410, 500, 503])
def test_a_refusal_is_kept_without_the_words_of_the_server_and_is_tried_again(publish: Callable[..., None], status: int) -> None:
    sign(1)
    with Downstream(lambda _: Reply(status, headers={"Location": "/x"}, body=b"no, geheim is wrong")) as downstream:
        url = downstream.url("/hook?token=geheim")
        publish(url)
        (kept,) = told()
        assert (kept.size, kept.published_at) == (None, None)
        assert str(status) in str(kept.error)
        assert "geheim" not in str(kept)
        publish(url)
        assert len(downstream.came) == 1  # It rests.
        pass_time(dt.timedelta(minutes=10))
        downstream.answer = lambda _: Reply(204, body=b"")
        publish(url)
        assert [message.headers["webhook-id"] for message in downstream.came] == ["log_1_1"] * 2
    assert (told()[0].size, told()[0].error, told()[0].failed_at) == (1, None, None)


def test_a_private_address_is_refused_unless_it_is_named(publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_PRIVATE_HOSTS")
    sign(1)
    with Downstream() as downstream:
        publish(downstream.url())
    assert downstream.came == []
    assert "NOTIFY_PRIVATE_HOSTS" in str(told()[0].error)


def test_the_pauses_after_failures_double_from_5_seconds_to_5_minutes(
    publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(1)
    tried, passed, now = [], 0, clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)  # Time passes by the test alone, however long it takes.
    with Downstream(lambda _: Reply(500)) as downstream:
        for _ in range(900):
            before = len(downstream.came)
            if passed == 0 or database.read(_may_be_tried(downstream.url())):
                publish(downstream.url())
            if len(downstream.came) > before:
                tried.append(passed)
            pass_time(dt.timedelta(seconds=1))
            passed += 1
    pauses = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert pauses[:2] == [pytest.approx(5, abs=1.5), pytest.approx(5, abs=1.5)]
    assert max(pauses) <= 301
    assert pauses == sorted(pauses)
    assert len(pauses) <= 12


def _may_be_tried(url: str) -> Callable[..., bool]:
    every = dt.timedelta(minutes=10)

    def look(connection: object) -> bool:
        chosen = publications.chosen(connection, every=every)  # type: ignore[arg-type]
        return bool(chosen and publications.lacking(connection, chosen, [url], every=every))  # type: ignore[arg-type]

    return look


def test_a_place_that_hangs_or_fails_delays_no_other(publish: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The round waits for it only so long, and the next one leaves it alone while it still hangs."""
    monkeypatch.setattr(checkpoints, "ROUND_SECONDS", 5.0)
    freed = threading.Event()

    def hang(_: Message) -> Reply:
        freed.wait(60)
        return Reply(200)

    sign(1)
    with Downstream(hang) as hanging, Downstream() as other:
        places = (hanging.url(), other.url(), str(tmp_path / "missing"), "log")
        publish(*places)
        assert [one.size for one in told()] == [None, 1, None, 1]
        publish(*places)
        assert (len(hanging.came), len(other.came)) == (1, 1)
        freed.set()
        eventually(lambda: named(hanging.url()).size == 1, "the answer to be recorded")
    assert named(str(tmp_path / "missing")).error == "the folder does not exist"


# folders ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["the same disk", "another disk"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "the same disk":
        yield tmp_path
        return
    path = Path(f"/dev/shm/standing-test-{os.getpid()}-{time.monotonic_ns()}")  # A file system of its own.
    path.mkdir()
    try:
        yield path
    finally:
        for one in path.iterdir():
            one.unlink()
        path.rmdir()


def test_a_folder_gets_a_file_for_each_checkpoint_and_loses_none(publish: Callable[..., None], folder: Path) -> None:
    (folder / "theirs").write_text("stays")
    (folder / "var").mkdir(exist_ok=True)
    first = sign(1, ago=dt.timedelta(minutes=11))
    publish(str(folder))
    second = sign(5)
    publish(str(folder))
    notes = {path.name: path.read_text() for path in folder.glob("*.checkpoint")}
    assert notes == {"log.example.com_1-1.checkpoint": first, "log.example.com_1-5.checkpoint": second}
    assert (folder / "theirs").read_text() == "stays"
    assert not list(folder.glob("*.new"))
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.checkpoint")} == {0o644}
    (folder / "var").rmdir()


def test_another_history_of_the_same_size_is_not_written_over(publish: Callable[..., None], folder: Path) -> None:
    (folder / "log.example.com_1-2.checkpoint").write_text("another history")
    sign(2)
    publish(str(folder))
    assert (folder / "log.example.com_1-2.checkpoint").read_text() == "another history"
    assert told()[0].error == "the folder holds another checkpoint of the same origin and size"


def test_a_folder_that_already_has_the_checkpoint_is_content(publish: Callable[..., None], tmp_path: Path) -> None:
    """Whoever published it crashed before recording it."""
    text = sign(2)
    (tmp_path / "log.example.com_1-2.checkpoint").write_text(text)
    publish(str(tmp_path))
    assert (told()[0].size, told()[0].error) == (2, None)


def test_a_folder_that_is_missing_is_not_made(publish: Callable[..., None], tmp_path: Path) -> None:
    """A disk that is not mounted would be replaced by this one."""
    sign(1)
    publish(str(tmp_path / "not mounted"))
    assert not (tmp_path / "not mounted").exists()
    assert told()[0].error == "the folder does not exist"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(publish: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    sign(1)
    publish(str(tmp_path / "closed"))
    assert told()[0].error == "the folder cannot be written (Permission denied)"


# log lines ----------------------------------------------------------------------------------------------------


def test_a_log_line_holds_all_that_a_checkpoint_is_made_of(publish: Callable[..., None]) -> None:
    text = sign(7)
    with capture_logs() as lines:
        publish("log")
    (line,) = [line for line in lines if line["event"] == "a checkpoint of the log"]
    assert f"{line['origin']}\n{line['size']}\n{line['root']}\n\n— {line['origin']} {line['signature']}\n" == text
    assert set(line) - {"log_level"} <= logs.KEYS


# when ---------------------------------------------------------------------------------------------------------


def test_nothing_is_published_without_a_checkpoint_or_a_place(publish: Callable[..., None]) -> None:
    with Downstream() as downstream:
        publish(downstream.url())
        sign(1)
        publish()
        assert (downstream.came, published()) == ([], [])


def test_it_is_published_every_few_minutes_and_only_what_is_new(publish: Callable[..., None]) -> None:
    with Downstream() as downstream:
        url = downstream.url()
        sign(1)
        publish(url, minutes=10)
        sign(2)
        publish(url, minutes=10)
        assert published() == [1]  # Ten minutes have not passed.
        pass_time(dt.timedelta(minutes=10))
        sign(3)
        publish(url, minutes=10)
        publish(url, minutes=10)
        pass_time(dt.timedelta(minutes=30))
        publish(url, minutes=10)  # Nothing is new.
        assert [message.json["data"]["size"] for message in downstream.came] == [1, 3]
        assert published() == [1, 3]


def test_all_places_get_the_same_checkpoint_also_one_that_was_away(publish: Callable[..., None], tmp_path: Path) -> None:
    sign(1)
    publish("log", str(tmp_path / "later"))
    sign(2)
    (tmp_path / "later").mkdir()
    pass_time(dt.timedelta(minutes=6))
    publish("log", str(tmp_path / "later"))
    assert [(one.size, one.error) for one in told()] == [(1, None), (1, None)]


def test_a_new_epoch_is_published_at_once(publish: Callable[..., None]) -> None:
    sign(200)
    publish("log")
    sign(201, epoch=2)
    publish("log")
    assert [(one.epoch, one.size) for one in told()] == [(2, 201)]


def test_nothing_is_published_while_signing_is_stopped(publish: Callable[..., None]) -> None:
    sign(1)
    with database.begin() as connection:
        connection.execute(update(LogState).values(stopped_because="the tree does not extend the last checkpoint"))
    publish("log")
    assert told()[0].size is None


def test_two_processes_may_publish_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = sign(4)
    with Downstream() as downstream:
        monkeypatch.setenv("LOG_PUBLISH", f"{downstream.url()},{tmp_path},log")
        forget()
        threads = [threading.Thread(target=checkpoints.publish_due) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [(one.size, one.error) for one in told()] == [(4, None)] * 3
    assert {path.read_text() for path in tmp_path.glob("*.checkpoint")} == {text}
    assert {message.headers["webhook-id"] for message in downstream.came} == {"log_1_4"}


def test_a_late_answer_about_an_older_checkpoint_changes_nothing(publish: Callable[..., None]) -> None:
    sign(1)
    every = dt.timedelta(minutes=10)
    older = database.read(lambda connection: publications.chosen(connection, every=every))
    assert older is not None
    sign(2)
    publish("log")
    with database.begin() as connection:
        publications.succeeded(connection, "log", older)
    assert told()[0].size == 2


def test_a_place_that_is_configured_no_more_is_shown_no_more(publish: Callable[..., None], tmp_path: Path) -> None:
    sign(1)
    publish("log", str(tmp_path))
    publish("log")
    assert [one.place for one in told()] == ["log"]
