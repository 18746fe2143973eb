"""Writes the configurations of every example, under names without digests, to be reviewed under version control.

`python -m builder.review`; a test fails when what is committed is not what this writes.
"""

from __future__ import annotations

from pathlib import Path

from builder.pipeline import review_text
from tritonkit.spec.model import ClassificationPostprocess, load_model_spec

_HOUSE = Path(__file__).parent.parent
FOLDER = _HOUSE / "model_repository"


def review_files() -> dict[Path, str]:
    """Text by file: for each example, one file with all its configurations and one with its labels."""
    files: dict[Path, str] = {}
    for spec_file in sorted(_HOUSE.glob("examples/*/model.yaml")):
        spec = load_model_spec(spec_file)
        files[FOLDER / f"{spec.name}.pbtxt"] = review_text(spec)
        if isinstance(spec.postprocess, ClassificationPostprocess):
            files[FOLDER / f"{spec.name}.labels.txt"] = (spec_file.parent / spec.postprocess.labels).read_text()
    return files


if __name__ == "__main__":
    for file, text in review_files().items():
        file.write_text(text, encoding="utf-8")
