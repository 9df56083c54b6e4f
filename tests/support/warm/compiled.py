"""Statements that a test process compiles once. Each test has an engine of its own, and each engine would compile every statement again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache

_compiled: LRUCache[Hashable, Any] = LRUCache(5000)


class _OfAllEngines:
    """A cache of compiled statements whose keys name a dialect by its name: all engines of a name are made alike."""

    def get(self, key: tuple[Dialect, Hashable]) -> Any:
        return _compiled.get(_named(key))

    def __setitem__(self, key: tuple[Dialect, Hashable], value: Any) -> None:
        _compiled[_named(key)] = value


def share(engine: Engine) -> Engine:
    """Have an engine use what others of its kind compiled; return it."""
    engine.update_execution_options(compiled_cache=_OfAllEngines())
    return engine


def _named(key: tuple[Any, ...]) -> Hashable:
    return (key[0].name, *key[1:])
