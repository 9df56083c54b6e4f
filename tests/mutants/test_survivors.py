"""What `./dev mutants` says of a survivor, and the list that it is compared with."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from tests.mutants import survivors
from tests.mutants.__main__ import ACCEPTED
from tests.mutants.survivors import Mutant, Report

DIFF = """--- a.py
+++ a.py
@@ -1,4 +1,4 @@
 def decide(one):
-    if one > 2:
+    if one >= 2:
         return 3
"""


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("handlers.rules.transitions.x_decide__mutmut_3", "handlers.rules.transitions.decide"),
        ("handlers.rules.transitions.x__ending__mutmut_30", "handlers.rules.transitions._ending"),
        ("receiver.vendors.idngo.xǁIdngoSignatureǁsign__mutmut_1", "receiver.vendors.idngo.IdngoSignature.sign"),
    ],
)
def test_a_mutant_names_its_function_as_the_source_does(name: str, function: str) -> None:
    assert Mutant(name=name, path=Path("a.py"), status="survived").function == function


def test_a_mutant_is_known_by_its_line_or_by_those_that_it_leaves_out() -> None:
    assert survivors.changed_line(DIFF) == "if one >= 2:"
    assert survivors.changed_line(DIFF.replace("+    if one >= 2:\n", "")) == "without if one > 2:"


@pytest.mark.parametrize(("status", "survived"), [("survived", True), ("no tests", True), ("killed", False), ("timeout", False)])
def test_a_mutant_that_meets_no_test_survives_and_one_that_does_not_end_is_noticed(status: str, survived: bool) -> None:
    assert Mutant(name="a.x_b__mutmut_1", path=Path("a.py"), status=status).survived is survived


@pytest.mark.parametrize(
    ("more", "passes"),
    [
        ({}, True),
        ({"unlisted": {"a.x_b__mutmut_1": ("a.b", "return 1")}}, False),
        ({"idle": {("a.b", "return 1")}}, False),
        ({"counts": survivors.Counter({survivors.UNTRIED: 1})}, False),
    ],
)
def test_a_run_passes_once_all_are_tried_and_the_list_holds_the_survivors_and_no_others(more: dict[str, object], passes: bool) -> None:
    found = {"counts": survivors.Counter({"killed": 3}), "accepted": 0, "unlisted": {}, "idle": set()} | more
    assert Report(**found).passes is passes  # type: ignore[arg-type]


def test_each_entry_of_the_list_has_a_reason_and_a_function_that_exists(tmp_path: Path) -> None:
    for function, _ in survivors.accepted(ACCEPTED):
        package, folder, module, name = function.split(".", 3)
        assert callable(attrgetter(name)(import_module(f"{package}.{folder}.{module}")))
    without = tmp_path / "accepted.toml"
    without.write_text('[[accepted]]\nfunction = "a.b"\nbecause = " "\nlines = ["return 1"]\n')
    with pytest.raises(ValueError, match="reason"):
        survivors.accepted(without)
