"""The table of packages and their licences, `docs/packages.md`, from requirements.lock and what is installed:
python -m docs.packages"""

import importlib.metadata
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, LOCK = ROOT / "docs" / "packages.md", ROOT / "requirements.lock"

HEAD = """# Packages

Everything that `make setup` installs, as requirements.lock pins it, with the licence that each package names. This page
is made by `python -m docs.packages`. Data sets, weights and voices: [licences.md](licences.md).

| package | version | licence |
|---|---|---|
"""
ELSEWHERE = "not for this platform"


def locked(text: str) -> dict[str, str]:
    """Names and versions of a lock file's packages."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE))


def licence(name: str) -> str:
    """What an installed package says: its SPDX expression, else its classifiers, else the first line of its licence."""
    try:
        facts = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ELSEWHERE
    classified = [
        entry.rpartition(" :: ")[2] for entry in facts.get_all("Classifier", []) if entry.startswith("License")
    ]
    text = next(iter((facts.get("License") or "").strip().splitlines()), "")
    said = facts.get("License-Expression") or ", ".join(classified) or text or "names none"
    return said.replace("|", "/")[:80]


def page() -> str:
    rows = (f"| {name} | {version} | {licence(name)} |\n" for name, version in sorted(locked(LOCK.read_text()).items()))
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
