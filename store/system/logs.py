"""Logs: one JSON object a line, with ids and our own words, never personal data.

Only the keys in `KEYS` are written, whatever a caller passes. An exception is logged with its type, cause and place, not with its
message, which may quote data. Of other libraries' lines only the place is shown, for the same reason.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import MutableMapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog

from store.system import causes
from store.text import traces

KEYS = frozenset(
    {
        "event", "level", "timestamp", "logger", "place", "process", "request_id", "event_id", "change", "vendor", "environment",
        "status", "answer", "reversal", "version", "error", "cause", "peer", "count", "subscriber", "reaction_id", "again", "replay_id",
        "stage", "asked", "drifted", "repaired", "ours", "theirs", "erasure_id", "verification_id", "trace_id",
        "origin", "size", "root", "signature", "host",
    }
)  # fmt: skip

#: What is said of a line of another library, and of a warning.
FOREIGN, WARNING = "a line of a library, which is not shown", "a warning of a library, which is not shown"

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

#: The folder that holds our packages: a checkout, or the `site-packages` of an environment.
_ROOT, _PACKAGES = Path(__file__).parent.parent.parent, ("receiver", "handlers", "store")


def configure(*, least: int = logging.INFO) -> None:
    """Send our logs, and those of every library, to standard error as JSON lines, from the least level up."""
    # Our own lines go straight out: through `logging` one for each delivery cost an eighth of what can be accepted.
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _described,
            _traced,
            _only_known_keys,
            _encoded,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=partial(_the, structlog.BytesLogger(sys.stderr.buffer)),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign()], level=least, force=True)
    for name in ("gunicorn.error", "gunicorn.access", "rq.worker", "alembic"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    warnings.showwarning = _warned
    sys.excepthook = last_words
    sys.unraisablehook = lambda args: last_words(args.exc_type, args.exc_value, args.exc_traceback)
    threading.excepthook = lambda args: last_words(args.exc_type, args.exc_value, args.exc_traceback)


def _the(logger: structlog.BytesLogger, *_: object) -> structlog.BytesLogger:
    """Return the one logger for every line: to make one takes longer than to write a line."""
    return logger


_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def follow_request(request_id: str | None) -> None:
    """Log what comes next in this thread with the id of a request; None: with none."""
    _request_id.set(request_id)


def announce(*texts: str) -> None:
    """Tell a person at a terminal what the service does, several texts within a frame; where there is no terminal, in one log line."""
    if not sys.stderr.isatty():
        structlog.get_logger().info(" ".join(texts))
        return
    frame = ["=" * 72] if len(texts) > 1 else []
    sys.stderr.writelines(f"standing: {text}\n" for text in [*frame, *texts, *frame])


def describe_error(error: BaseException) -> str:
    """Return an exception's type, its cause, and the place in our code: `OperationalError (disk I/O error) at store/access/audit.py:71`."""
    kinds: list[str] = []
    at: BaseException | None = error
    for _ in range(4):
        if at is None:
            break
        cause, kind = causes.of(at), type(at).__name__
        if kinds and kinds[-1] == kind:
            kinds.pop()
        kinds.append(f"{kind} ({cause})" if cause else kind)
        at = at.__cause__ or at.__context__
    place = _place(error)
    return " from ".join(kinds) + (f" at {place}" if place else "")


def last_words(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Log an uncaught exception."""
    if not isinstance(error, KeyboardInterrupt):
        told = describe_error(error.with_traceback(trace)) if error else kind.__name__
        structlog.get_logger().critical("an unexpected exception", error=told)


class _Foreign(logging.Handler):
    """Writes a library's line as one of ours: its level, its logger and its place, and the exception's kind."""

    def emit(self, record: logging.LogRecord) -> None:
        text = _shown(record)
        told = structlog.get_logger().bind(logger=record.name)
        if text == FOREIGN:
            told = told.bind(place=_file(record.pathname, record.lineno))
        if isinstance(record.exc_info, tuple) and record.exc_info[1]:
            told = told.bind(error=describe_error(record.exc_info[1]))
        told.log(max(known for known in _LEVELS if known <= max(record.levelno, logging.DEBUG)), text)


def _shown(record: logging.LogRecord) -> str:
    """Return the text of a library's line: of the web server's news about its own processes, and of nothing else."""
    text = record.msg if isinstance(record.msg, str) else ""
    if record.name != "gunicorn.error" or "request" in text.lower() or not text or text.startswith("Traceback"):
        return FOREIGN
    try:
        return (text if record.exc_info or "\n" in text else record.getMessage()).partition("\n")[0]
    except (TypeError, ValueError):  # On purpose: arguments that do not fit a library's own text are its fault, and no reason to fail.
        return FOREIGN


def _place(error: BaseException) -> str:
    """Return the last place in our code that an exception passed, else the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(Path(frame.filename))]
    if not frames:
        return ""
    place = (ours or frames)[-1]
    return _file(place.filename, place.lineno)


def _file(name: str, line: int | None) -> str:
    """Return a place in our code by its path in it, and one in other code by the end of its path."""
    file = Path(name)
    return f"{file.relative_to(_ROOT).as_posix() if _is_ours(file) else '/'.join(file.parts[-3:])}:{line}"


def _is_ours(file: Path) -> bool:
    return file.is_relative_to(_ROOT) and file.relative_to(_ROOT).parts[0] in _PACKAGES


def _described(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put an exception's kind in the place of the exception, because its message and locals may hold personal data."""
    info = line.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        line["error"] = describe_error(error)
    return line


def _traced(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the request and the trace for which the work is done that logs the line."""
    if request_id := _request_id.get():
        line.setdefault("request_id", request_id)
    if trace := traces.current():
        line.setdefault("trace_id", trace.id)
    return line


def _only_known_keys(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Usually nothing is to be removed.
    return line if line.keys() <= KEYS else {key: value for key, value in line.items() if key in KEYS}


def _encoded(_logger: object, _method: str, line: MutableMapping[str, Any]) -> bytes:
    return msgspec.json.encode(line, enc_hook=str)


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
) -> None:
    structlog.get_logger().warning(WARNING, error=category.__name__, place=_file(filename, lineno))
