"""What lies in model_repository/ for review is what the examples' specs give."""

import pytest

from builder.review import FOLDER, review_files
from tritonkit.repository.config import parse_config


@pytest.mark.parametrize("file", sorted(review_files()), ids=lambda file: file.name)
def test_the_committed_configuration_is_the_generated_one(file):
    assert file.read_text() == review_files()[file], "run `make review`"


def test_nothing_lies_there_that_no_example_gives():
    assert set(FOLDER.glob("*.pbtxt")) <= set(review_files())


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.pbtxt")), ids=lambda file: file.name)
def test_each_configuration_parses(file):
    texts = file.read_text().split("# ")[1:]
    assert texts
    for text in texts:
        heading, _, config = text.partition("\n")
        parsed = parse_config(config, where=heading)
        assert heading == f"{parsed.name}/config.pbtxt"
