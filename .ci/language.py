"""Plain technical English: words that are not the field's, found in pages, docstrings and messages, with what to write instead.

    python .ci/language.py       prints each as file:line; exit status 1 if there is any

The README and the runbook have no sentence of more than 30 words.
"""

import ast
import re
import subprocess
import sys
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
    r"\b(is|are|be) away\b": "is unavailable",
    r"\bcannot be right\b": "invalid",
    r"\bwho lives\b|\bthat lives\b|\bsay alive\b": "is running",
    r"\bdies? of\b|\bdied of\b": "crashes over",
    r"(?<![a-z])[Mm]end(s|ed|ing)?\b": "fix, repair",
    r"\bby (itself|themselves)\b": "automatically",
    r"\btold (of|again)\b": "notified",
    r"\bof whom\b|\bto whom\b|\bby whom\b": "name the noun",
}

#: Words of their own: the glossary explains them, and history keeps what was said.
PAGES_LEFT_OUT = {"CHANGELOG.md", "glossary.md"}
SHORT_SENTENCES, WORDS_MAX = ("README.md", "docs/runbook.md"), 30


def main() -> int:
    found = [*in_pages(), *in_docstrings(), *too_long()]
    print("\n".join(found))
    return 1 if found else 0


def in_pages():
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        if path.name not in PAGES_LEFT_OUT:
            yield from complaints(path, enumerate(path.read_text().splitlines(), start=1))


def in_docstrings():
    listed = subprocess.run(["git", "ls-files", "receiver", "handlers", "store"], cwd=ROOT, capture_output=True, text=True, check=True)
    for path in (ROOT / name for name in listed.stdout.splitlines() if name.endswith(".py")):
        nodes = ast.walk(ast.parse(path.read_text()))
        texts = [node.body[0].value for node in nodes if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None]
        yield from complaints(path, ((text.lineno + number, line) for text in texts for number, line in enumerate(text.value.splitlines())))


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def complaints(path, lines):
    for number, line in lines:
        for word, instead in INSTEAD.items():
            if match := re.search(word, line):
                yield f"{path.relative_to(ROOT)}:{number}: {match[0]} → {instead}"


def too_long():
    for name in SHORT_SENTENCES:
        text = re.sub(r"```.*?```|<!--.*?-->|^\|.*$|^#.*$", "\n\n", (ROOT / name).read_text(), flags=re.DOTALL | re.MULTILINE)
        for sentence in re.split(r"(?<=[.!?:;])\s+|\n\n|\n(?=[-*0-9])", text):
            if len(sentence.split()) > WORDS_MAX:
                yield f"{name}: {len(sentence.split())} words → at most {WORDS_MAX}: {' '.join(sentence.split()[:8])} …"


if __name__ == "__main__":
    sys.exit(main())
