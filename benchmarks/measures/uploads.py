"""What uploads of images cost: four at once, how much each process grows, and how long webhooks take meanwhile.

    python -m benchmarks.measures.uploads [--rounds 3]

A vendor is played in a process of its own. Each upload starts a verification at IDnGO with one image. A process grows by the difference
between its peak (VmHWM, which Linux resets) and what it held after a warm-up with small images.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import statistics
import threading
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks import stage
from benchmarks.meanwhile import repeating
from benchmarks.stage import POSTGRESQL
from receiver.simulator.vendor_server import Vendors
from tests.conftest import KEY
from tests.support import payloads
from tests.support.network.uploading import BOUNDARY, form
from tests.support.service import Service, children, eventually
from tests.support.vendors.starts import STARTER, wanted
from tests.support.vendors.vendor_calls import CREDENTIALS

MIB = 1024 * 1024

#: The last one is what fits into a request of 64 MiB.
SIZES, AT_ONCE = (20 * MIB, 64 * MIB - 4096), 4


def play(line: Connection) -> None:
    """Play the vendors until the parent ends."""
    with Vendors(port=0, credentials=CREDENTIALS) as vendors:
        line.send((vendors.url, vendors.settings()))
        threading.Thread(target=vendors.serve_forever, args=(0.05,), daemon=True).start()
        line.recv()


def upload(port: int, size: int) -> tuple[int, float]:
    """Start a verification with an image; return the status and the seconds."""
    content = wanted("idngo", mode="documents", documents=[{"type": "PASSPORT", "country": "LT", "part": "page"}])
    body = form(content, {"page": b"\xff\xd8\xff" + os.urandom(size - 3)})
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Idempotency-Key": uuid.uuid4().hex,
        "Authorization": f"Bearer {STARTER}",
    }
    began = time.monotonic()
    with urlopen(Request(f"http://127.0.0.1:{port}/v1/verifications", body, headers), timeout=400) as answer:
        return answer.status, time.monotonic() - began


def deliver(service: Service) -> bool:
    """Send a webhook; return whether it was accepted."""
    return service.deliver("idngo", payloads.idngo(payloads.new_applicant())).status == 200


def held(pid: int, what: str) -> float:
    """MiB that a process holds (VmRSS), or held at most (VmHWM)."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


class Growth:
    """How much processes grow at most, against what they held after the warm-up."""

    def __init__(self, service: Service, relay: int) -> None:
        self.web, self.relay = children(service.web.pid), relay
        self._before = {pid: held(pid, "VmRSS") for pid in (*self.web, relay)}

    def begin(self) -> None:
        for pid in self._before:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def of(self, *pids: int) -> float:
        return max(held(pid, "VmHWM") - self._before[pid] for pid in pids)


def measure(service: Service, growth: Growth, size: int) -> dict[str, float]:
    growth.begin()
    began = time.monotonic()
    with repeating(lambda _: deliver(service)) as took, ProcessPoolExecutor(AT_ONCE) as pool:
        answers = [one.result() for one in [pool.submit(upload, service.port, size) for _ in range(AT_ONCE)]]
    assert [status for status, _ in answers] == [202] * AT_ONCE, answers
    return {
        "all four, s": time.monotonic() - began,
        "a web process grows by, MiB": growth.of(*growth.web),
        "the relay grows by, MiB": growth.of(growth.relay),
        "webhooks meanwhile": len(took),
        "webhooks, p50 ms": statistics.median(took) * 1000,
        "webhooks, slowest ms": max(took) * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    vendors = multiprocessing.Process(target=play, args=(theirs,), daemon=True)
    vendors.start()
    url, settings = ours.recv()
    urlopen(Request(f"{url}/play/idngo", json.dumps({"requires": ["IDENTITY"]}).encode(), method="PUT")).close()
    # With one vendor, both of the relay's turns are that vendor's.
    only = {name: value for name, value in (settings | CREDENTIALS).items() if not name.startswith(("IDENFY", "IFCGATE"))}
    with stage.stage() as on, on.database(POSTGRESQL) as engine:
        own = {"DATABASE_URL": stage.url_of(engine), "REDIS_URL": on.redis_url, "STARTER_TOKENS": f"onboarding={STARTER}"}
        with Service(on.new_folder(), {"ENCRYPTION_KEYS": KEY} | own | only, cwd=stage.ROOT) as service:
            relay = service.run("standing", "relay")
            eventually(lambda: "the relay is up" in service.logged(), "the relay to be up")
            for _ in range(AT_ONCE):
                upload(service.port, MIB)
            growth = Growth(service, relay.pid)
            for size in SIZES:
                rounds = [measure(service, growth, size) for _ in range(options.rounds)]
                print(f"{AT_ONCE} uploads at once of {size / MIB:.0f} MiB, median of {options.rounds} (lowest to highest):")
                for name in rounds[0]:
                    values = [one[name] for one in rounds]
                    print(f"  {name}: {statistics.median(values):,.1f} ({min(values):,.1f} to {max(values):,.1f})")
    ours.send("over")
    vendors.join(10)


if __name__ == "__main__":
    main()
