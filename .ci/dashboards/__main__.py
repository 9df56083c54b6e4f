"""The Grafana dashboards of deploy/dashboards, made from the panels beside this file: compare them, or write them with --write."""

import json
import sys
from pathlib import Path

import machine
import states
import vendors
from grafana import dashboard

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "dashboards"

DASHBOARDS = {
    "vendors": dashboard("vendors", "Standing: vendors and silence", vendors.PANELS),
    "states": dashboard("states", "Standing: states and reversals", states.PANELS),
    "machine": dashboard("machine", "Standing: the machine", machine.PANELS),
}


def main():
    made = {f"{name}.json": json.dumps(found, indent=1) + "\n" for name, found in DASHBOARDS.items()}
    if "--write" in sys.argv:
        for name, text in made.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
    elif made != {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}:
        sys.exit("deploy/dashboards is not what these panels make; write it again: .venv/bin/python .ci/dashboards --write")


if __name__ == "__main__":
    main()
