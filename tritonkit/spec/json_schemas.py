"""Writes the JSON Schema of every document: `python -m tritonkit.spec.json_schemas`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.spec.evaluation import EvaluationReport
from tritonkit.spec.golden import GoldenBundle
from tritonkit.spec.manifest import Manifest, PublishedVersion
from tritonkit.spec.model import ModelSpec
from tritonkit.spec.parity import ParityReport
from tritonkit.spec.recipe import Recipe
from tritonkit.spec.reports import BuildReport, LoadReport
from tritonkit.spec.training import TrainingReport
from tritonkit.spec.tuning import TuningReport

if TYPE_CHECKING:
    from pydantic import BaseModel

FOLDER = Path(__file__).parent / "schemas"
DOCUMENTS: dict[str, type[BaseModel]] = {
    "model": ModelSpec,
    "golden": GoldenBundle,
    "manifest": Manifest,
    "published": PublishedVersion,
    "parity": ParityReport,
    "recipe": Recipe,
    "training": TrainingReport,
    "build": BuildReport,
    "load": LoadReport,
    "tuning": TuningReport,
    "evaluation": EvaluationReport,
}


def schema_text(document: type[BaseModel]) -> str:
    """The JSON Schema of `document` as it is committed."""
    return json.dumps(document.model_json_schema(), indent=2) + "\n"


def main() -> None:
    """Writes every schema."""
    for name, document in DOCUMENTS.items():
        (FOLDER / f"{name}.schema.json").write_text(schema_text(document), encoding="utf-8")


if __name__ == "__main__":
    main()
