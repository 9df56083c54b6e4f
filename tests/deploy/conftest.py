"""What `./dev build` made, once for all tests about it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.installing import ROOT, run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that `./dev build` filled. What is installed from it lies beside it, and is removed with it."""
    folder = tmp_path_factory.mktemp("built") / "dist"
    run(sys.executable, ROOT / "dev", "build", folder, needs_index=False, UV_CACHE_DIR=str(folder.parent / "cache"))
    yield folder
    shutil.rmtree(folder.parent)
