"""Every place that logs: its keys are among those that are written, and its sentence holds no data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.system import logs

ROOT = Path(__file__).parent.parent.parent.parent
FILES = [path for package in ("receiver", "handlers", "store") for path in sorted((ROOT / package).rglob("*.py"))]
CALLS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "bind", "log", "bind_contextvars"})

#: It passes on what others say, and what a command tells a person.
PASSES_ON = "store/system/logs.py"


def log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls of structlog's loggers in a module, by whatever name they go there."""
    loggers = {"log"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _comes_from_structlog(node.value, loggers):
            loggers.update(target.id for target in node.targets if isinstance(target, ast.Name))
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in CALLS and _comes_from_structlog(called.value, loggers):
            yield node


def _comes_from_structlog(value: ast.expr, loggers: set[str]) -> bool:
    parts = list(ast.walk(value))
    return any(isinstance(part, ast.Name) and part.id in loggers | {"structlog"} for part in parts)


def faults(source: str) -> list[str]:
    """What is wrong with the log calls of a module."""
    found = []
    for call in log_calls(ast.parse(source)):
        for keyword in call.keywords:
            if keyword.arg is None:
                found.append(f"line {call.lineno}: keys that cannot be read here")
            elif keyword.arg not in logs.KEYS:
                found.append(f"line {call.lineno}: the key {keyword.arg} is not written")
        if call.args and not _is_fixed(call.args[0]):
            found.append(f"line {call.lineno}: its sentence is not fixed")
    return found


def _is_fixed(sentence: ast.expr) -> bool:
    if isinstance(sentence, ast.IfExp):
        return _is_fixed(sentence.body) and _is_fixed(sentence.orelse)
    return isinstance(sentence, ast.Constant)


def test_a_log_call_has_a_fixed_sentence_and_no_key_that_would_be_dropped() -> None:
    found = {path.relative_to(ROOT).as_posix(): faults(path.read_text()) for path in FILES}
    passing_on = found.pop(PASSES_ON)
    assert all(fault.endswith("its sentence is not fixed") for fault in passing_on)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_no_line_holds_a_reference_or_a_user() -> None:
    assert logs.KEYS.isdisjoint({"reference", "external_user_id", "user", "body", "message"})


def test_the_places_that_log_are_found() -> None:
    assert sum(len(list(log_calls(ast.parse(path.read_text())))) for path in FILES) > 40


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("log.warning('a reaction failed', passport=1)", "the key passport is not written"),
        ("log.bind(passport=1)", "the key passport is not written"),
        ("told = log.bind(count=1)\ntold.info('x', passport=1)", "the key passport is not written"),
        ("structlog.get_logger().info('x', passport=1)", "the key passport is not written"),
        ("structlog.contextvars.bind_contextvars(passport=1)", "the key passport is not written"),
        ("log.info('x', **more)", "keys that cannot be read here"),
        ("log.info(f'{passport}')", "its sentence is not fixed"),
        ("log.info('x' if a else passport)", "its sentence is not fixed"),
    ],
)
def test_what_is_wrong_is_found(source: str, fault: str) -> None:
    assert [one.partition(": ")[2] for one in faults(source)] == [fault]
