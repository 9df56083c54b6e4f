"""Plain technical English: words that are not the field's, found in pages, comments, docstrings and messages; and what to write instead.

    python .ci/language.py       prints each as file:line; exit status 1 if there is any

The README and the runbook have no sentence of more than 30 words.
"""

import ast
import re
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: A word as a regular expression, and the field's word for it.
INSTEAD = {
    r"doorbell|\bthe bell\b|\brings? the\b": "wake-up, notify the worker",
    r"\b[Ii]n hand\b": "claimed",
    r"\b[Aa]fresh\b": "from scratch",
    r"\b[Aa]new\b": "again, from scratch",
    r"\b[Ss]eldom\b": "rarely",
    r"\bin a circle\b": "cyclic, deadlock",
    r"\binnocents?\b": "other events",
    r"\btake (its|their) leave\b|\bfarewell\b": "sign off",
    r"\bcome to the door\b|\bcame to the door\b": "was received",
    r"\b[Dd]oors?\b": "signing in, the form that takes a token",
    r"\b(is|are|be) away\b": "is unavailable",
    r"\bcannot be right\b": "invalid",
    r"\bwho lives\b|\bthat lives\b|\bsay alive\b": "is running",
    r"\bdies? of\b|\bdied of\b": "crashes over",
    r"(?<![a-z])[Mm]end(s|ed|ing)?\b": "fix, repair",
    r"\bby (itself|themselves)\b": "automatically",
    r"\btold (of|again)\b|\b(is|are|was|were|be|been|being) told\b|\b[Uu]nless told\b": "notified, reported, listed",
    r"\b[Ww]hom\b": "name the noun: the applicants that ..., the person that ...",
    r"\b[Nn]obody\b": "no person, no applicant, no caller: name the noun",
    r"\b[Aa]nybody\b|\b[Ee]verybody\b": "every caller, all applicants: name the noun",
    r"\b[Ww]hat (came|comes|becomes|became) of\b": "the result, the outcome, the state",
    r"\b[Ww]here (\w+ ){1,4}stands\b": "the status",
    r"\blives\b": "is running, is valid",
    r"\bcomes again\b": "is redelivered, is repeated",
}

#: Words of their own: the glossary explains them.
PAGES_LEFT_OUT = {"glossary.md"}
SHORT_SENTENCES, WORDS_MAX = ("README.md", "docs/runbook.md"), 30
#: A shorter text is a name, a column or an identifier.
WORDS_OF_A_SENTENCE = 4


def main() -> int:
    found = [*in_pages(), *in_code(), *too_long()]
    print("\n".join(found))
    return 1 if found else 0


def in_pages():
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.yml")):
        if path.name not in PAGES_LEFT_OUT:
            yield from complaints(path, enumerate(current(path).splitlines(), start=1))
    for path in (ROOT / "receiver" / "console").rglob("*.html"):
        yield from complaints(path, enumerate(path.read_text().splitlines(), start=1))


def current(path):
    """Return the text of a page; of the change log only what is not released yet, because released entries are history."""
    text = path.read_text()
    return "\n## ".join(text.split("\n## ")[:2]) if path.name == "CHANGELOG.md" else text


def in_code():
    listed = subprocess.run(["git", "ls-files", *CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    for path in (ROOT / name for name in listed.stdout.splitlines() if name.endswith(".py")):
        yield from complaints(path, sorted({*in_comments(path), *in_texts(path)}))


CODE = ("receiver", "handlers", "store", "examples")


def in_comments(path):
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def in_texts(path):
    """Yield the lines of docstrings, and of texts that have as many words as a sentence. An f-string counts as one text."""
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        else:
            continue
        if len(text.split()) >= WORDS_OF_A_SENTENCE:
            yield from ((node.lineno + number, line) for number, line in enumerate(text.splitlines()))


def complaints(path, lines):
    for number, line in lines:
        for word, instead in INSTEAD.items():
            if match := re.search(word, line):
                yield f"{path.relative_to(ROOT)}:{number}: {match[0]} → {instead}"


def too_long():
    for name in SHORT_SENTENCES:
        text = re.sub(r"(?s:```.*?```|<!--.*?-->)|^\|.*$|^#.*$", "\n\n", (ROOT / name).read_text(), flags=re.MULTILINE)
        for sentence in re.split(r"(?<=[.!?:;])\s+|\n\n|\n(?=[-*0-9])", text):
            if len(sentence.split()) > WORDS_MAX:
                yield f"{name}: {len(sentence.split())} words → at most {WORDS_MAX}: {' '.join(sentence.split()[:8])} …"


if __name__ == "__main__":
    sys.exit(main())
