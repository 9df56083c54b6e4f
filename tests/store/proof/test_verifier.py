"""The verifier that an auditor runs: one file, in an empty folder, without a network and without us."""

from __future__ import annotations

import base64
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as drawn

from store.proof import notes, verify
from tests.store.proof.logs import Log, encoded
from tests.support.generated import samples
from tests.support.proof import auditor
from tests.support.proof.log import OTHER_SEED


def mixed() -> Log:
    """A log of 11 leaves: an event with a body (3), one that was emptied (4) by leaf 9, a hold (5)."""
    log = Log().fill(3)
    log.add("event", {"id": "e-3", "vendor": "idngo", "received_at": "2026-11-30T12:00:03Z"}, b'{"applicantId": "a-\xff"}')
    log.add("event", {"id": "e-4", "vendor": "idngo"}, b"{}")
    log.add("hold", {"id": "h-1", "reason": "суд"})
    log.fill(9)
    log.empty(4)
    return log.fill(11)


LOG = mixed()


def run(folder: Path, files: dict[str, str], *, vkeys: Iterable[str] = (LOG.vkey,)) -> subprocess.CompletedProcess[str]:
    """Write files into a folder that holds nothing but the verifier, and run it there."""
    shutil.copy(verify.__file__, folder / "verify.py")
    for name, text in files.items():
        (folder / name).write_text(text, newline="")
    return auditor.run(folder, vkeys, files, program="verify.py")


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.stderr == ""
    return done.stdout.splitlines()


def holds(folder: Path, files: dict[str, str], *, key: str = LOG.vkey) -> bool:
    return auditor.holds(folder, [key], files)


def test_each_form_of_file_holds_and_its_line_says_what_was_verified(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        {
            "change.tlog-proof": LOG.proof(2),
            "event.tlog-proof": LOG.proof(3, with_body=True),
            "emptied.tlog-proof": LOG.proof(4),
            "old": LOG.checkpoint(6),
            "consistency": LOG.consistency(6),
            "export": LOG.export(),
        },
    )
    assert done.returncode == 0
    assert lines(done) == [
        "ok      change.tlog-proof: change of 2026-11-30T12:00:02.000000Z is leaf 2 of 11 of standing.example/1; content verified",
        "ok      event.tlog-proof: event of 2026-11-30T12:00:03.000000Z is leaf 3 of 11 of standing.example/1; content and body verified",
        "ok      emptied.tlog-proof: event of 2026-11-30T12:00:04.000000Z is leaf 4 of 11 of standing.example/1; emptied by leaf 9",
        "ok      old: checkpoint of 6 leaves of standing.example/1",
        "ok      consistency: the 11 leaves of standing.example/1 begin with the 6 leaves of old",
        "ok      export: export of all 11 leaves of standing.example/1, the last of 2026-11-30T12:00:10.000000Z; "
        "compared with 5 other files",
    ]


def test_the_verifier_needs_nothing_but_python_and_cryptography() -> None:
    source = Path(verify.__file__).read_text()
    assert len(source.splitlines()) <= 250
    imported = [line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert {name for name in imported if name not in sys.stdlib_module_names} == {"cryptography"}


@pytest.mark.parametrize("arguments", [[], ["--key"], ["--key", LOG.vkey], ["a.tlog-proof"], ["--key", "nonsense", "a.tlog-proof"]])
def test_without_a_key_or_a_file_it_says_how_it_is_called(tmp_path: Path, arguments: list[str]) -> None:
    shutil.copy(verify.__file__, tmp_path / "verify.py")
    done = subprocess.run([sys.executable, "-I", "verify.py", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "python verify.py --key VKEY" in done.stderr


def test_one_file_that_does_not_hold_fails_the_run_and_no_other_line(tmp_path: Path) -> None:
    done = run(tmp_path, {"good": LOG.proof(2), "bad": LOG.proof(2).replace("index 2", "index 3"), "missing\x1b[31m": "", "none": ""})
    assert done.returncode == 1
    assert [line.split()[0] for line in lines(done)] == ["ok", "FAILED", "FAILED", "FAILED"]
    assert "\x1b" not in done.stdout


def test_every_leaf_of_trees_of_every_size_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log().fill(17)
    for size in range(1, 18):
        files = {f"{size}-{number}": log.proof(number, size) for number in range(size)}
        files |= {f"{size}-from-{old}": log.consistency(old, size) for old in range(size + 1)}
        files |= {f"checkpoint-{old}": log.checkpoint(old) for old in range(size + 1)}
        assert holds(tmp_path, files | {"export": log.export(size)}), capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"salt": encoded(bytes(32))}, "commits to something else"),
        ({"salt": encoded(bytes(31))}, "of another length"),
        ({"content": LOG.contents[3].replace("idngo", "idenfy")}, "commits to something else"),
        ({"content": LOG.contents[3] + " "}, "commits to something else"),
        ({"content": 5}, "no attribute"),
        ({"body": encoded(b"another body")}, "does not commit to this body"),
        ({"body_salt": encoded(bytes(32))}, "does not commit to this body"),
        ({"leaf": LOG.opening(3)["leaf"] | {"kind": "act"}}, "commits to something else"),
        ({"leaf": LOG.opening(3)["leaf"] | {"kind": "e 2026"}}, "commits to something else"),
        ({"leaf": LOG.opening(3)["leaf"] | {"at": "2026-11-30T12:00:03Z"}}, "commits to something else"),
        ({"leaf": LOG.opening(3)["leaf"] | {"version": 2}}, "does not say what the leaf commits to"),
        ({"leaf": LOG.opening(3)["leaf"] | {"commitment": encoded(LOG.commitment(3))}}, "does not say what the leaf commits to"),
        ({"leaf": None}, "no attribute"),
        ({"more": 1}, "does not say what the leaf commits to"),
    ],
)
def test_an_opening_that_is_not_the_leafs_is_found(tmp_path: Path, changed: dict[str, object], says: str) -> None:
    done = run(tmp_path, {"proof": LOG.proof(3, with_body=True, **changed)})
    assert done.returncode == 1
    assert says in done.stdout


def test_a_name_that_comes_twice_in_an_opening_is_refused(tmp_path: Path) -> None:
    """Who reads it by hand sees the first value, and a program takes the last."""
    head, extra, rest = LOG.proof(2).split("\n", 2)
    opening = base64.b64decode(extra.removeprefix("extra ")).decode()
    twice = base64.b64encode(opening.replace("{", '{"content": "a false one", ', 1).encode()).decode()
    assert not holds(tmp_path, {"change.tlog-proof": f"{head}\nextra {twice}\n{rest}"})


def test_a_body_of_a_leaf_that_commits_to_none_is_found(tmp_path: Path) -> None:
    done = run(tmp_path, {"proof": LOG.proof(5, body=encoded(b"x"), body_salt=encoded(bytes(32)))})
    assert "the leaf does not commit to this body" in done.stdout


@pytest.mark.parametrize("kind", ["change 2026", "Change", "", "change\n", "изменение", "c" * 33])
def test_a_leaf_that_is_not_written_as_leaves_are_is_refused_although_it_is_in_the_tree(tmp_path: Path, kind: str) -> None:
    log = Log().fill(2)
    log.add(kind, {"number": 2})
    for form in (log.proof(2), log.export()):
        assert not holds(tmp_path, {"file": form})
    assert holds(tmp_path, {"file": log.proof(1)})


def test_a_proof_without_an_index_proves_nothing(tmp_path: Path) -> None:
    head = "\n".join(LOG.proof(2).split("\n")[:2])
    done = run(tmp_path, {"proof": f"{head}\n\n{LOG.checkpoint()}", "nothing": f"{verify.PROOF}\n{LOG.checkpoint()}"})
    assert [line.split()[0] for line in lines(done)] == ["FAILED", "FAILED"]


def test_a_proof_without_an_opening_proves_nothing(tmp_path: Path) -> None:
    plain = "\n".join(line for line in LOG.proof(2).split("\n") if not line.startswith("extra "))
    done = run(tmp_path, {"proof": plain})
    assert (done.returncode, "no extra line" in done.stdout) == (1, True)


def unlisted() -> str:
    """A leaf that is called emptied, by one that lists another."""
    log = mixed()
    log.emptied[5] = 9
    return log.proof(5)


def of_another_kind() -> str:
    log = Log().fill(4)
    log.emptied[1] = log.add("act", {"numbers": [1]})
    return log.proof(1)


def earlier() -> str:
    """Emptied by a leaf that was there before it."""
    log = Log().fill(2)
    by = log.empty(3)
    log.fill(5)
    log.emptied[3] = by
    return log.proof(3)


def itself() -> str:
    """A leaf that says that it empties itself, and is empty."""
    log = Log().fill(2)
    log.emptied[2] = log.empty(1, 2)
    log.emptied = {1: 2}
    return log.proof(1, emptied_proof=LOG.proof(4))


def of_another_checkpoint() -> str:
    log = mixed()
    return log.proof(4, emptied_proof=log.proof(9, 10))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (unlisted(), "leaf 9 does not say that it empties leaf 5"),
        (of_another_kind(), "leaf 4 does not say that it empties leaf 1"),
        (earlier(), "leaf 2 does not say that it empties leaf 3"),
        (itself(), "not proved for the same checkpoint"),
        (of_another_checkpoint(), "not proved for the same checkpoint"),
        (LOG.proof(4, emptied_by=8), "leaf 9 does not say that it empties leaf 4"),
        (LOG.proof(4, emptied_proof=LOG.proof(8)), "leaf 8 does not say that it empties leaf 4"),
        (LOG.proof(4, emptied_proof=LOG.proof(4)), "the leaf that empties this one is emptied"),
        (LOG.proof(4, emptied_proof=LOG.checkpoint()), "not proved for the same checkpoint"),
        (LOG.proof(4, emptied_proof=LOG.proof(9).replace("index 9", "index 8")), "commits to something else"),
    ],
)
def test_no_leaf_is_empty_but_those_that_an_emptied_leaf_lists(tmp_path: Path, text: str, says: str) -> None:
    done = run(tmp_path, {"proof": text})
    assert done.returncode == 1
    assert says in done.stdout


def test_signatures_of_unknown_keys_are_ignored_and_one_of_the_logs_own_key_is_needed(tmp_path: Path) -> None:
    text, _, line = LOG.checkpoint().partition("\n\n")
    unknown = notes.signed(f"{text}\n", name="witness.example/1", seed=OTHER_SEED).partition("\n\n")[2]
    same_name = notes.signed(f"{text}\n", name=LOG.origin, seed=OTHER_SEED).partition("\n\n")[2]
    witness = notes.vkey("witness.example/1", notes.public_key(OTHER_SEED))
    assert run(tmp_path, {"a": f"{text}\n\n{unknown}{same_name}{line}", "b": f"{text}\n\n{line}" + 15 * unknown}).returncode == 0
    assert run(tmp_path, {"a": f"{text}\n\n{unknown}{line}"}, vkeys=[LOG.vkey, witness]).returncode == 0
    assert run(tmp_path, {"a": f"{text}\n\n{unknown}{line}"}, vkeys=[LOG.vkey, "--key", witness]).returncode == 0
    alone = run(tmp_path, {"a": f"{text}\n\n{unknown}"}, vkeys=[LOG.vkey, witness])
    assert (alone.returncode, "not signed by a given key of standing.example/1" in alone.stdout) == (1, True)
    assert run(tmp_path, {"a": f"{text}\n\n{same_name}"}).returncode == 1
    wrong = notes.signed("another text\n", name="witness.example/1", seed=OTHER_SEED).partition("\n\n")[2]
    failed = run(tmp_path, {"a": f"{text}\n\n{line}{wrong}"}, vkeys=[LOG.vkey, witness])
    assert (failed.returncode, "the signature of witness.example/1 does not verify" in failed.stdout) == (1, True)
    assert run(tmp_path, {"a": f"{text}\n\n{line}{wrong}"}).returncode == 0


@pytest.mark.parametrize(("more", "is_taken"), [("", True), ("more\n", True), ("\n", False), ("\nmore\n", False), ("more\n\n", False)])
def test_a_checkpoint_may_have_lines_of_its_own_and_no_empty_one(tmp_path: Path, more: str, is_taken: bool) -> None:
    text = LOG.checkpoint().partition("\n\n")[0] + "\n"
    assert holds(tmp_path, {"checkpoint": notes.signed(text + more, name=LOG.origin, seed=LOG.seed)}) == is_taken


def test_the_key_of_one_log_signs_for_no_other(tmp_path: Path) -> None:
    other = Log("other.example/1", OTHER_SEED).fill(3)
    forged = notes.signed(other.checkpoint().partition("\n\n")[0] + "\n", name=LOG.origin, seed=LOG.seed)
    assert run(tmp_path, {"a": forged}, vkeys=[LOG.vkey, other.vkey]).returncode == 1
    assert run(tmp_path, {"a": LOG.checkpoint(), "b": other.checkpoint()}, vkeys=[LOG.vkey, other.vkey]).returncode == 0


def test_a_file_that_is_named_like_a_key_is_no_key(tmp_path: Path) -> None:
    other = Log(LOG.origin, OTHER_SEED).fill(3)
    done = run(tmp_path, {"a": LOG.checkpoint(), other.vkey.replace("/", "-"): other.checkpoint(), "b": other.checkpoint()})
    assert done.returncode == 1


def rewritten(size: int = 11) -> Log:
    """The log, with another leaf 2: what somebody who has the key would make of it."""
    log = mixed().fill(size)
    log.contents[2] = log.contents[2].replace("approved", "rejected")
    return log


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("export", rewritten().export()),
        ("consistency", rewritten().consistency(6)),
        ("checkpoint", rewritten().checkpoint()),
        ("checkpoint", LOG.checkpoint()),
        ("checkpoint", rewritten().checkpoint(6)),
        ("proof", rewritten().proof(2, 6)),
    ],
)
def test_a_log_that_does_not_extend_an_older_checkpoint_is_found_by_name(tmp_path: Path, name: str, text: str) -> None:
    done = run(tmp_path, {"march": LOG.checkpoint(6), name: text})
    assert done.returncode == 1
    assert [line for line in lines(done) if line.startswith("FAILED") and "march" in line] != []


def next_epoch(log: Log) -> Log:
    """The log under the next origin and key, with the leaves that it had."""
    log.origin, log.seed = "standing.example/2", OTHER_SEED
    log.add("epoch", {"number": 2, "old_origin": "standing.example/1"})
    return log


def test_a_new_epoch_extends_the_checkpoints_of_the_one_before(tmp_path: Path) -> None:
    log = next_epoch(mixed())
    files = {"march": LOG.checkpoint(6), "consistency": log.consistency(6), "export": log.export(), "proof": log.proof(2)}
    assert run(tmp_path, files, vkeys=[LOG.vkey, log.vkey]).returncode == 0
    assert run(tmp_path, files).returncode == 1


@pytest.mark.parametrize("form", ["export", "consistency", "checkpoint", "shorter"])
def test_a_new_epoch_that_lost_leaves_is_found_by_name(tmp_path: Path, form: str) -> None:
    lost = next_epoch(rewritten() if form != "shorter" else Log().fill(3)).fill(20)
    file = {"consistency": lost.consistency(6), "checkpoint": lost.checkpoint()}.get(form, lost.export())
    done = run(tmp_path, {"march": LOG.checkpoint(6), "file": file}, vkeys=[LOG.vkey, lost.vkey])
    assert done.returncode == 1
    assert [line for line in lines(done) if line.startswith("FAILED")] != []


def test_a_new_epoch_with_fewer_leaves_than_a_checkpoint_says_that_leaves_were_lost(tmp_path: Path) -> None:
    lost = next_epoch(Log().fill(3))
    files = {"march": LOG.checkpoint(6), "june": lost.checkpoint(), "export": lost.export()}
    march, june, export = lines(run(tmp_path, files, vkeys=[LOG.vkey, lost.vkey]))
    assert march == "FAILED  march: checkpoint of 6 leaves of standing.example/1; not compared with june: leaves were lost: it has fewer"
    assert (june[:6], export[:6]) == ("ok    ", "ok    ")


def test_the_older_checkpoint_of_a_consistency_file_must_be_there(tmp_path: Path) -> None:
    done = run(tmp_path, {"consistency": LOG.consistency(6), "other": LOG.checkpoint(5)})
    assert done.returncode == 1
    assert "the older checkpoint is missing: add one of 6 leaves of standing.example" in done.stdout


def test_checkpoints_that_no_file_compares_do_not_hold_together(tmp_path: Path) -> None:
    march, april, may = (LOG.checkpoint(size) for size in (4, 7, 10))
    done = run(tmp_path, {"march": march, "april": april, "may": may, "consistency": LOG.consistency(4, 7)})
    assert done.returncode == 1
    assert [line.split()[:2] for line in lines(done)] == [
        ["ok", "march:"],
        ["FAILED", "april:"],
        ["ok", "may:"],
        ["FAILED", "consistency:"],
    ]
    assert "not compared with may: add a newer export, or a consistency file between" in done.stdout
    chained = {"march": march, "april": april, "may": may, "a": LOG.consistency(4, 7), "b": LOG.consistency(7, 10)}
    assert run(tmp_path, chained).returncode == 0
    assert run(tmp_path, {"march": march, "april": april, "may": may, "export": LOG.export()}).returncode == 0
    assert run(tmp_path, {"march": march, "april": april, "may": may, "export": LOG.export(7)}).returncode == 1


def test_a_consistency_file_from_a_tree_to_itself_compares_nothing(tmp_path: Path) -> None:
    files = {"march": LOG.checkpoint(6), "same": LOG.consistency(6, 6), "may": LOG.checkpoint()}
    done = run(tmp_path, files)
    assert [line.split()[0] for line in lines(done)] == ["FAILED", "FAILED", "ok"]
    assert run(tmp_path, {"march": LOG.checkpoint(6), "same": LOG.consistency(6, 6)}).returncode == 0


def test_files_of_other_logs_and_of_larger_trees_do_not_disturb(tmp_path: Path) -> None:
    other = Log("other.example/1", OTHER_SEED).fill(8)
    files = {
        "small": LOG.export(6),
        "large": LOG.export(),
        "other": other.export(),
        "others": other.checkpoint(6),
        "march": LOG.checkpoint(4),
    }
    assert run(tmp_path, files, vkeys=[LOG.vkey, other.vkey]).returncode == 0


def test_a_proof_of_another_size_says_that_it_was_not_compared(tmp_path: Path) -> None:
    done = run(tmp_path, {"march": LOG.checkpoint(6), "proof": LOG.proof(2)})
    assert done.returncode == 0
    assert "content verified; not compared with march" in done.stdout


class Backwards(Log):
    """A log that appends leaves with earlier and earlier times."""

    def at(self, number: int) -> str:
        return super().at(50 - number)


class AtOnce(Log):
    """A log whose leaves were appended together, at one time."""

    def at(self, number: int) -> str:
        return super().at(0)


def test_leaves_may_have_been_appended_at_one_time(tmp_path: Path) -> None:
    assert run(tmp_path, {"export": AtOnce().fill(5).export()}).returncode == 0


def test_an_export_whose_times_decrease_is_found(tmp_path: Path) -> None:
    done = run(tmp_path, {"export": Backwards().fill(5).export()})
    assert (done.returncode, "leaf 1 is earlier than the leaf before" in done.stdout) == (1, True)


@pytest.mark.parametrize("cut", ["first", "last", "swap", "twice"])
def test_an_export_lacks_and_repeats_no_leaf(tmp_path: Path, cut: str) -> None:
    head, *leaves = LOG.export().partition("\n\n")[0].split("\n")
    made = {
        "first": leaves[1:],
        "last": leaves[:-1],
        "swap": [leaves[1], leaves[0], *leaves[2:]],
        "twice": [*leaves, leaves[-1]],
    }[cut]
    done = run(tmp_path, {"export": "\n".join([head, *made]) + "\n\n" + LOG.checkpoint()})
    assert done.returncode == 1


def test_an_empty_log_has_files_too(tmp_path: Path) -> None:
    log = Log()
    assert run(tmp_path, {"checkpoint": log.checkpoint(), "export": log.export(), "old": log.consistency(0)}).returncode == 0
    assert run(tmp_path, {"old": LOG.consistency(0), "checkpoint": log.checkpoint()}).returncode == 0
    assert run(tmp_path, {"old": LOG.consistency(0).replace("old 0\n", f"old 0\n{encoded(bytes(32))}\n")}).returncode == 1
    forged = notes.sign(log.origin, 0, bytes(32), log.seed)
    assert run(tmp_path, {"checkpoint": forged}).returncode == 1


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("\nindex 2\n", "\nindex 02\n"),
        ("\nindex 2\n", "\nindex +2\n"),
        ("\nindex 2\n", "\nindex ２\n"),
        ("\nindex 2\n", "\nindex  2\n"),
        ("\nindex 2\n", "\nindex 2 \n"),
        ("\nindex 2\n", "\r\nindex 2\r\n"),
        ("\nindex 2\n", "\nindex 2\n\n"),
        ("\nindex 2\n", "\nindex 2\nindex 2\n"),
        ("\nindex 2\n", "\n"),
        ("=\n\n", "\n\n"),
        ("=\n\n", "==\n\n"),
        ("=\n\n", "=\n \n"),
        ("\nextra ", "\nExtra "),
        ("\nextra ", "\nextra  "),
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("\n11\n", "\n011\n"),
        ("\n11\n", "\n11\t\n"),
        ("\n11\n", "\n11\n\n"),
        ("— standing", "- standing"),
        ("— standing", "—  standing"),
        ("— standing", "—\u00a0standing"),
        ("— standing", "\n— standing"),
    ],
)
def test_what_is_not_written_as_specified_is_refused(tmp_path: Path, text: str, instead: str) -> None:
    proof = LOG.proof(2)
    assert text in proof
    assert not holds(tmp_path, {"proof": proof.replace(text, instead, 1)})


FORMS = {
    "proof": LOG.proof(2),
    "body": LOG.proof(3, with_body=True),
    "emptied": LOG.proof(4),
    "consistency": LOG.consistency(6),
    "export": LOG.export(),
    "checkpoint": LOG.checkpoint(),
}


@pytest.mark.parametrize("form", FORMS)
def test_no_byte_of_a_file_can_be_altered(tmp_path: Path, form: str) -> None:
    """Each byte is altered in one of three ways, or in all with `--long`. The older checkpoint beside it is untouched."""
    march, whole, draw = {"march": LOG.checkpoint(6)}, FORMS[form].encode(), random.Random(samples.seed(9))
    compared = {"between": LOG.consistency(6)} if form == "checkpoint" else {}
    assert holds(tmp_path, march | compared | {"file": FORMS[form]})
    for place in range(len(whole)):
        ways = [whole[place] ^ 1, whole[place] ^ 32, whole[place] ^ draw.randrange(1, 256)]
        for flipped in draw.sample(ways, max(1, samples.size(3))):
            altered = whole[:place] + bytes([flipped]) + whole[place + 1 :]
            assert not holds(tmp_path, march | compared | {"file": altered.decode(errors="surrogateescape")}), (place, flipped)


@pytest.mark.parametrize("form", FORMS)
def test_no_part_of_a_file_can_be_left_out_or_repeated(tmp_path: Path, form: str) -> None:
    march, whole = {"march": LOG.checkpoint(6)}, FORMS[form]
    compared = {"between": LOG.consistency(6)} if form == "checkpoint" else {}
    for place in range(len(whole)):
        assert not holds(tmp_path, march | compared | {"file": whole[:place]}), place
    rows = whole.splitlines(keepends=True)
    for number, row in enumerate(rows):
        for altered in ([*rows[:number], *rows[number + 1 :]], [*rows[:number], row, *rows[number:]]):
            is_repeated_signature = row.startswith("—") and len(altered) > len(rows)
            assert holds(tmp_path, march | compared | {"file": "".join(altered)}) == is_repeated_signature, number


@samples.properties(examples=200)
@given(
    text=drawn.text(alphabet=drawn.sampled_from('old 1\n— =+/aZ@v.standing-log{}[]"\u00e9'), max_size=200),
    form=drawn.sampled_from([*FORMS]),
)
def test_whatever_a_file_says_the_verifier_says_that_it_fails(tmp_path: Path, text: str, form: str) -> None:
    assert not holds(tmp_path, {"file": text})
    assert not holds(tmp_path, {"file": verify.PROOF + text + FORMS[form]})
