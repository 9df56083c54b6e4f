"""The routes of the console, as its pages state them: no list of them is kept anywhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from flask import Flask

from receiver.console import pages
from receiver.web import paths
from receiver.web.auth import Right
from tests.support.browser.consoles import Night, address


class Route(NamedTuple):
    """A method of a path, and the right that its view states; None: it states none."""

    endpoint: str
    method: str
    rule: str
    right: Right | None

    def of(self, night: Night) -> str:
        """The path to what happened in a night."""
        return self.path(night.path | ({"erasure_id": night.erased} if self.endpoint == "erasure.certificate" else {}))

    def path(self, values: Mapping[str, str]) -> str:
        """The path with a value for each of its names."""
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: address(values[found[1]]), self.rule)

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"


def routes(*methods: str) -> list[Route]:
    """The routes of these methods, but for those of files."""
    app = Flask(__name__, static_folder=None)
    paths.keep_encoded_slashes(app)
    pages.register(app)
    return [
        Route(rule.endpoint, method, rule.rule, vars(app.view_functions[rule.endpoint]).get("right"))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if method in methods
    ]
