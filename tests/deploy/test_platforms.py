"""Other machines: whether all that the lock file names can be installed there without a compiler."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.deploy.installing import ROOT, UV, run

#: glibc 2.28, which Debian 10, Ubuntu 18.10, Red Hat 8 and everything newer have.
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_package_of_the_lock_file_has_a_wheel(platform: str, python: str, tmp_path: Path) -> None:
    options = ("--dry-run", "--only-binary", ":all:", "--require-hashes", "--target", tmp_path / "there", "--python", sys.executable)
    there = ("--python-platform", platform, "--python-version", python)
    run(UV, "pip", "install", *options, *there, "--requirement", ROOT / "requirements.lock", UV_CACHE_DIR=str(tmp_path / "cache"))
