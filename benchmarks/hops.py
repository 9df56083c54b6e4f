"""How far one webhook travels through our own code: the functions, the files, and the switches between files that a reader follows.

    .venv/bin/python benchmarks/hops.py [--list]

One approval of IDnGO goes through the real request, the recorder's thread and the worker, on SQLite and Valkey, after another that
warmed them up. Only calls of `receiver`, `handlers` and `store` count: not what is cached, and not what SQLAlchemy and structlog call
back (types of columns, processors of the log). The worker's loop is followed once. A switch is a call of a function in another file than
that of the call before it, in the same thread.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support import payloads, servers, signing

ROOT = Path(__file__).resolve().parent.parent
OURS = tuple(f"{ROOT / package}{os.sep}" for package in ("receiver", "handlers", "store"))

#: Libraries that were told what to call: it is no step of the way.
CALLING_BACK = tuple(f"{os.sep}{library}{os.sep}" for library in ("sqlalchemy", "structlog"))

#: What a reader follows as a part of the function around it.
PARTS = ("<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>", "<lambda>", "<module>")

#: A drain of so many seconds ends after one batch.
ONE_BATCH_SECONDS = 0.001


class Target(NamedTuple):
    """At most so many. None: no bound."""

    functions: int | None
    files: int | None
    switches: int | None


UNBOUND = Target(None, None, None)
TARGETS = {"request and recorder": Target(40, 20, None), "worker": Target(90, 20, 45)}


class Tracer:
    """Notes each call of our own functions by its thread, while it is told to."""

    def __init__(self) -> None:
        self._calls: dict[str, list[CodeType]] = defaultdict(list)
        self._recording = False
        #: A generator that goes on is no call. Its frame is kept, so that no other has its identity.
        self._frames: dict[int, FrameType] = {}
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def during(self, work: Callable[[], object]) -> dict[str, list[CodeType]]:
        """Return each thread's calls while some work is done; that of the caller is `MainThread`."""
        self._calls.clear()
        self._recording = True
        work()
        self._recording = False
        self._frames.clear()
        return dict(self._calls)

    def _note(self, frame: FrameType, event: str, _of: Any) -> None:
        if self._recording and event == "call" and is_ours(frame.f_code) and id(frame) not in self._frames:
            self._frames[id(frame)] = frame
            if not is_called_back(frame):
                self._calls[threading.current_thread().name].append(frame.f_code)


def main() -> int:
    asked = _asked()
    with _environment():
        traced = trace()
    for part, threads in traced.items():
        _print(part, threads, listed=asked.list)
    return 0


def trace() -> dict[str, list[list[CodeType]]]:
    """Return the calls that one approval causes, by part; those of each of its threads."""
    tracer = Tracer()
    from handlers.worker import drain  # Here, because they read the environment.
    from receiver import create_app

    client = create_app().test_client()
    for _ in range(2):  # The first warms up.
        posted = tracer.during(partial(_post, client))
        worked = tracer.during(partial(drain.drain, ONE_BATCH_SECONDS))
    request, recorder = posted["MainThread"], posted["record"]
    return {"request": [request], "recorder": [recorder], "request and recorder": [request, recorder], "worker": [worked["MainThread"]]}


def is_ours(code: CodeType) -> bool:
    return code.co_name not in PARTS and code.co_filename.startswith(OURS)


def is_called_back(frame: FrameType) -> bool:
    above: FrameType | None = frame.f_back
    while above:
        if any(library in above.f_code.co_filename for library in CALLING_BACK):
            return True
        above = above.f_back
    return False


def _post(client: Any) -> None:
    body = json.dumps(payloads.idngo(payloads.new_applicant(), answer="GREEN")).encode()
    answer = client.post("/webhooks/idngo", data=body, headers=signing.idngo(body))
    assert answer.json["status"] == "accepted"


@contextmanager
def _environment() -> Iterator[None]:
    """A database, a Valkey, and the settings that a web process and a worker need."""
    with tempfile.TemporaryDirectory() as folder, servers.valkey(Path(folder)) as valkey:
        os.environ |= {
            "DATABASE_URL": f"sqlite:///{folder}/hops.sqlite3",
            "REDIS_URL": valkey.url,
            "IDNGO_SECRETS": signing.IDNGO_SECRET,
            "ENCRYPTION_KEYS": base64.b64encode(bytes(32)).decode(),
            "VAR_DIR": folder,
        }
        yield


def _print(part: str, threads: list[list[CodeType]], *, listed: bool) -> None:
    calls = [code for thread in threads for code in thread]
    switches = sum(one.co_filename != following.co_filename for thread in threads for one, following in pairwise(thread))
    found = Target(len(set(calls)), len({code.co_filename for code in calls}), switches)
    columns = zip(found, Target._fields, TARGETS.get(part, UNBOUND), strict=True)
    print(f"{part:20}", *(f"{count:4} {name}" + (f" (at most {most})" if most else "") for count, name, most in columns))
    if listed:
        _list(threads)


def _list(threads: list[list[CodeType]]) -> None:
    file = ""
    for code in (code for thread in threads for code in thread):
        if code.co_filename != file:
            file = code.co_filename
            print(f"  {Path(file).relative_to(ROOT)}")
        print(f"    {code.co_qualname}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print each call, file by file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
