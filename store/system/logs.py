"""Logs: one JSON object a line, with ids and our own words, never personal data.

Only the keys in `KEYS` are written, whatever a caller passes. An exception is logged with its type and place, not with its message,
which may quote data. Warnings of other libraries are cut at their first colon for the same reason.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import structlog

KEYS = frozenset(
    {
        "event", "level", "timestamp", "logger", "request_id", "event_id", "vendor", "environment", "reference", "status",
        "answer", "reversal", "version", "error", "count", "process", "cause", "peer",
    }
)  # fmt: skip

_ROOT = Path(__file__).parent.parent.parent


def configure(*, least: int = logging.INFO) -> None:
    """Send our logs, and those of every library, to standard error as JSON lines, from the least level up."""
    ours: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Our own lines go straight out: through `logging` one for each delivery cost an eighth of what can be accepted.
    structlog.configure(
        processors=[*ours, _place, _only_known_keys, structlog.processors.JSONRenderer(serializer=_encode)],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *ours, _cut],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _place,
                _only_known_keys,
                structlog.processors.JSONRenderer(),
            ],
            keep_exc_info=True,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
    for name in ("gunicorn.error", "gunicorn.access", "rq.worker", "alembic", "py.warnings"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _last_words
    threading.excepthook = lambda args: _last_words(args.exc_type, args.exc_value, args.exc_traceback)


def describe_error(error: BaseException) -> str:
    """Return an exception's type and the place in our code where it passed: `KeyError at handlers/process.py:71`."""
    kinds, cause = [type(error).__name__], error.__cause__ or error.__context__
    while cause is not None and len(kinds) < 4:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_ROOT) and "site-packages" not in frame.filename]
    if not frames:
        return " from ".join(kinds)
    place = (ours or frames)[-1]
    file = Path(place.filename)
    name = file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name
    return f"{' from '.join(kinds)} at {name}:{place.lineno}"


def _encode(line: MutableMapping[str, Any], **_: object) -> bytes:
    return msgspec.json.encode(line, enc_hook=str)


def _place(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = line.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        line["error"] = describe_error(error)
    return line


def _cut(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep another library's news about its own processes; of its warnings keep only the text before the first colon or line end."""
    text = next(iter(str(line["event"]).splitlines()), "")
    if line.get("level") not in ("debug", "info") and not _of_its_processes(line.get("logger"), text):
        text = text.partition(":")[0]
    line["event"] = text
    return line


def _of_its_processes(logger: object, text: str) -> bool:
    """Return whether the web server reports on its own processes and sockets, and not on a request."""
    return logger == "gunicorn.error" and "request" not in text.lower()


def _only_known_keys(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in line.items() if key in KEYS}


def _last_words(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or isinstance(error, KeyboardInterrupt):
        return
    structlog.get_logger().critical("an exception that nobody expected", error=describe_error(error.with_traceback(trace)))
