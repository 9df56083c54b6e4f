"""What was measured, and on what: without it the figures mean nothing."""

from __future__ import annotations

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import text

from benchmarks import load, stage
from benchmarks.stage import Stage
from receiver import config as web_config
from store.system.environment import Environment
from tests.support.service import Service

PACKAGES = ("gunicorn", "flask", "werkzeug", "sqlalchemy", "psycopg", "psycopg-binary", "rq", "redis", "msgspec", "cryptography")

POSTGRES_SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "wal_level", "commit_delay", "shared_buffers",
    "effective_cache_size", "work_mem", "max_wal_size", "checkpoint_timeout", "max_connections", "autovacuum", "jit",
)  # fmt: skip


def described(on: Stage) -> dict[str, Any]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": stage.git_commit(),
        "machine": _machine(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES} | _valkey(on),
        "postgresql": _postgresql(on),
        "web": _web(on),
        "load": {"connections": load.CONNECTIONS, "warm_up_seconds": load.WARM_UP_SECONDS},
    }


def _web(on: Stage) -> dict[str, int]:
    """What every web process is told, and its own default where it is told nothing."""
    processes = Service(on.new_folder(), {}).environment["WEB_CONCURRENCY"]
    return {"processes": int(processes), "connections": web_config.read(Environment()).connections}


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "processor": _told(Path("/proc/cpuinfo"), r"model name\s*:\s*(.+)"),
        "cores": os.cpu_count(),
        "memory": _told(Path("/proc/meminfo"), r"MemTotal:\s*(.+)"),
        "load_average_before": os.getloadavg(),
    }


def _told(path: Path, pattern: str) -> str | None:
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1].strip() if found else None


def _valkey(on: Stage) -> dict[str, str]:
    told = Redis.from_url(on.redis_url).info("server")
    return {"valkey": str(told.get("valkey_version") or told["redis_version"])}


def _postgresql(on: Stage) -> dict[str, str]:
    with on.empty_database() as engine, engine.connect() as connection:
        return {name: str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in ("server_version", *POSTGRES_SETTINGS)}
