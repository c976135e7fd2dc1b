"""Say what became of every clip of a set: `metrics/<set>/data.json`, a table of all clips and a page to read.

Run as `python -m stages.account --set vox`. It reads the indexes of the stages before it. `data/<set>/account` gets
`clips.csv`, a clip a line, and `index.html`; `metrics/<set>/pose.csv` gets the head poses that DVC plots.
"""

from pathlib import Path

from styleheat import files
from styleheat.clips.account import read_account
from styleheat.pipeline import Stage, main


def body(stage: Stage) -> None:
    assert stage.set is not None
    data = Path("data") / stage.set
    account = read_account(data)
    texts = {
        data / "account" / "clips.csv": account.table(),
        data / "account" / "index.html": account.page(f"What became of the clips of {stage.set}"),
        Path("metrics") / stage.set / "pose.csv": account.pose_table(),
    }
    for path, text in texts.items():
        with files.atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # names need not be UTF-8
        stage.tracker.log_artifact(path)
    stage.write_metrics(account.metrics(), "data")


if __name__ == "__main__":
    main(body, sets=True)
