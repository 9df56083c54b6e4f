"""The settings of the log: what may be its name, its key and its places."""

from __future__ import annotations

import base64
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from store.config import log_settings
from store.config.log_settings import LogSettings
from store.system.environment import Environment
from tests.support.proof.log import SEED
from tests.support.service import LOG_SIGNING_KEY


def read(**variables: str) -> tuple[LogSettings, list[str]]:
    """The settings with these variables, and what is wrong with them."""
    environment = Environment({"VAR_DIR": "/nonexistent", **variables})
    return log_settings.read(environment), environment.problems


def test_without_any_setting_nothing_is_signed_and_nothing_published() -> None:
    found, wrong = read()
    assert wrong == []
    assert (found.origin, found.origin_is_given) == (socket.gethostname(), False)
    assert (found.signing_key, found.state, found.state_is_given) == (None, Path("/nonexistent/log.state"), False)
    assert (found.publish, found.every) == ((), timedelta(minutes=10))


def test_everything_that_is_set_is_taken() -> None:
    found, wrong = read(
        LOG_ORIGIN="log.example.com/standing", LOG_SIGNING_KEY=LOG_SIGNING_KEY, LOG_STATE="/mnt/log.state",
        LOG_PUBLISH="https://witness.example.com/standing, /mnt/auditor/ ,log", LOG_MINUTES="1",
    )  # fmt: skip
    assert wrong == []
    assert (found.origin, found.origin_is_given) == ("log.example.com/standing", True)
    assert (found.signing_key, found.state, found.state_is_given) == (SEED, Path("/mnt/log.state"), True)
    assert (found.publish, found.every) == (("https://witness.example.com/standing", "/mnt/auditor", "log"), timedelta(minutes=1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_ORIGIN", "two words"),
        ("LOG_ORIGIN", "a+b"),
        ("LOG_ORIGIN", "a\tb"),
        ("LOG_ORIGIN", "a\u2028b"),
        ("LOG_ORIGIN", "a\nb"),
        ("LOG_ORIGIN", "x" * 101),
        ("LOG_ORIGIN", "example.com/"),
        ("LOG_SIGNING_KEY", "geheim"),
        ("LOG_SIGNING_KEY", base64.b64encode(SEED[1:]).decode()),
        ("LOG_SIGNING_KEY", base64.b64encode(SEED * 2).decode()),
        ("LOG_SIGNING_KEY", f"{LOG_SIGNING_KEY},{LOG_SIGNING_KEY}"),
        ("LOG_PUBLISH", "geheim"),
        ("LOG_PUBLISH", "a/relative/geheim"),
        ("LOG_PUBLISH", "http://geheim.example.com"),
        ("LOG_PUBLISH", "ftp://geheim.example.com"),
        ("LOG_PUBLISH", "https://user:geheim@example.com"),
        ("LOG_PUBLISH", "https://"),
        ("LOG_PUBLISH", "/mnt/ge\x07heim"),
        ("LOG_PUBLISH", "/mnt/one,/mnt/one/"),
        ("LOG_PUBLISH", "https://example.com/a,https://EXAMPLE.com:443/a"),
        ("LOG_PUBLISH", ","),
        ("LOG_PUBLISH", ",".join(f"/mnt/{number}" for number in range(21))),
        ("LOG_MINUTES", "0"),
        ("LOG_MINUTES", "ten"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_by_its_name_without_its_value(name: str, value: str) -> None:
    _, wrong = read(**{name: value})
    assert [problem.split()[0] for problem in wrong] == [name]
    assert "geheim" not in wrong[0]


def test_plain_http_is_allowed_where_it_is_for_notifications() -> None:
    assert read(LOG_PUBLISH="http://witness.example.com", NOTIFY_PLAIN_HTTP="yes")[1] == []


@pytest.mark.parametrize("name", ["a host", "a+b", "", "x" * 101])
def test_a_host_whose_name_cannot_be_an_origin_keeps_no_process_from_starting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    found, wrong = read()
    assert (found.origin, wrong) == ("standing", [])
