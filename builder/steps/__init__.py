"""The Python steps of a pipeline: one self-contained file each, copied into a repository as it is.

They import the standard library, numpy, `triton_python_backend_utils` and the packages named in `STEPS`; nothing of
the kit, for they run where the kit is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that the builder can put into a repository.

    Attributes:
        file: its source.
        packages: what it imports besides the standard library, by distribution name.
    """

    file: Path
    packages: tuple[str, ...]


# By kind of preprocessing or postprocessing.
STEPS: dict[str, Step] = {
    "image": Step(file=_FOLDER / "image_preprocess.py", packages=("numpy", "pillow")),
    "classification": Step(file=_FOLDER / "classification_postprocess.py", packages=("numpy",)),
}
