"""Every command of README.md and of the pages it leads to is run, in a copy of the project.

The copy is a git and DVC repository of its own, whose stages are stand-ins that write their outs at once; where a
command is about a real stage, that one is put back. Each ```sh block runs in a fresh copy that has been reproduced, its
commands in their order. A command that is not in CHECKS fails.
"""

import re
from pathlib import Path

import pytest

from styleheat.media.video import probe
from tests.dvc.repository import ROOT, Repository
from tests.dvc.stand_ins import EVERY
from tests.readme_commands import CHECKS, fenced

pytestmark = pytest.mark.timeout(1800)  # on a busy machine; two minutes on an idle one, all together

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "models" / "embedded" / "README.md")


def commands(block: str) -> list[str]:
    """The commands of a block, one a line, without their comments."""
    lines = block.replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := re.sub(r"(^|\s+)#.*", "", line).strip())]


BLOCKS = {
    f"{page.relative_to(ROOT)}:{n}": commands(block) for page in PAGES for n, block in enumerate(fenced(page, "sh"))
}


# --- the copy


@pytest.fixture(scope="session")
def reproduced(stand_ins: Repository) -> Repository:
    (stand_ins.path / ".venv" / "installed").exists() or pytest.skip("no environment of `make setup` to run in")
    return stand_ins


@pytest.fixture
def project(reproduced: Repository, tmp_path: Path) -> Repository:
    copy = reproduced.copy(tmp_path / "project")
    copy.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return copy


@pytest.mark.parametrize("block", BLOCKS)
def test_every_command_does_what_the_page_says(project: Repository, block: str):
    for command in BLOCKS[block]:
        assert command in CHECKS, f"{block}: no test runs {command!r}"
        CHECKS[command](project, command)


def test_no_check_is_left_of_a_command_that_is_gone():
    assert set(CHECKS) == {command for block in BLOCKS.values() for command in block}


PROGRAMS = [program for page in PAGES for program in fenced(page, "python")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_runs(reproduced: Repository, tmp_path: Path, program: str):
    project = reproduced.copy(tmp_path / "project")
    said = project.run("python", "-c", program)
    assert "video.mp4" in program or "(512, 512, 3) uint8" in said
    if "video.mp4" in program:
        assert probe(project.path / "video.mp4").frames == probe(ROOT / "data" / "examples" / "driver.mp4").frames


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path):
    links = re.findall(r'\]\(([^)#]+)[^)]*\)|(?:src|href)="([^"#]+)', page.read_text())
    local = [link for pair in links for link in pair if link and "://" not in link]
    made = ["docs/talking.webp"]  # by `python -m docs.animation`
    assert [link for link in local if not (page.parent / link).exists() and link not in made] == []


SHOWN = [block for page in PAGES if page.name != "training.md" for block in fenced(page, "yaml")]
"""Parameters that go over the default profile; those of training.md go over `full` (tests/test_params.py)."""


@pytest.mark.parametrize("block", SHOWN)
def test_parameters_shown_are_parameters(reproduced: Repository, tmp_path: Path, block: str):
    project = reproduced.copy(tmp_path / "project")
    (project.path / "profiles" / "shown.yaml").write_text(block)
    assert "keys set" in project.run("python", "-m", "stages.profile", "shown")


def test_the_table_of_stages_is_complete():
    text = "".join(page.read_text() for page in PAGES)
    table = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    named = {name.strip("`").partition("@")[0] for cell in table for name in cell.split()}
    assert {stage.partition("@")[0] for stage in EVERY} <= named
    for target in re.findall(r"`make ([a-z-]+)`", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
