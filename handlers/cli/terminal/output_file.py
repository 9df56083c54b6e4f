"""The file that a command writes into, for its owner alone; else standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Into a file.  [default: standard output]"
)


@contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """Yield where to write: standard output, or a file for its owner alone, which appears once it is complete."""
    if path is None:
        yield sys.stdout.buffer
        return
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            yield file
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
