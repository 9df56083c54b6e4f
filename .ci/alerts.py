"""The alert rules as the Prometheus operator takes them: compare them with deploy/alerts.yml, or write them with --write."""

import sys
import textwrap
from pathlib import Path

DEPLOY = Path(__file__).parent.parent / "deploy"
RULES, MANIFEST = DEPLOY / "alerts.yml", DEPLOY / "kubernetes" / "alerts.yaml"

HEAD = """\
# deploy/alerts.yml, for the Prometheus operator. Written by .ci/alerts.py.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: standing
  namespace: standing
spec:
"""


def main():
    text = HEAD + textwrap.indent(RULES.read_text(encoding="utf-8"), "  ")
    if "--write" in sys.argv:
        MANIFEST.write_text(text, encoding="utf-8")
    elif not MANIFEST.is_file() or MANIFEST.read_text(encoding="utf-8") != text:
        sys.exit(f"{MANIFEST.name} is not what {RULES.name} says; write it again: .venv/bin/python .ci/alerts.py --write")


if __name__ == "__main__":
    main()
