"""`tritonkit report`: from a build's folder to a page in it."""

from __future__ import annotations

import json

import pytest

from tritonkit.commands import main


@pytest.fixture
def folder(tmp_path, build, load, answers, pictures):
    (tmp_path / "build.json").write_text(build.model_dump_json())
    (tmp_path / "load.json").write_text(load.model_dump_json())
    (tmp_path / "answers.json").write_text(json.dumps([answer.model_dump() for answer in answers]))
    (tmp_path / "pictures").mkdir()
    for name, data in pictures.items():
        (tmp_path / "pictures" / name).write_bytes(data)
    return tmp_path


def test_everything_in_the_folder_is_drawn(folder, capsys):
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in ("Closed loop", "Egyptian cat", "data:image/jpeg", "tritonkit lint", "tritonkit bench"):
        assert words in page
    assert sorted(path.name for path in folder.iterdir()) == [
        "answers.json", "build.json", "load.json", "pictures", "report.html",
    ]  # fmt: skip


def test_the_build_alone_is_enough(tmp_path, build, capsys):
    (tmp_path / "build.json").write_text(build.model_dump_json())
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "page.html"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(tmp_path / "page.html")}
    assert "No load test was run." in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_another_load_test_is_drawn(folder, tmp_path, load):
    other = tmp_path / "other.json"
    other.write_text(load.model_copy(update={"notes": ("measured on a quiet machine",)}).model_dump_json())
    assert main(["report", str(folder), "--load", str(other)]) == 0
    assert "measured on a quiet machine" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_folder_with_an_odd_name_is_quoted_in_the_commands(folder, tmp_path):
    odd = tmp_path / "a folder; rm"
    odd.mkdir()
    (odd / "build.json").write_bytes((folder / "build.json").read_bytes())
    assert main(["report", str(odd)]) == 0
    assert f"tritonkit report &#39;{odd}&#39;" in (odd / "report.html").read_text(encoding="utf-8")


def test_a_later_build_that_failed_is_told(folder, failed_build):
    (folder / "failed.json").write_text(finite(failed_build.variants[0].served).model_dump_json())
    assert main(["report", str(folder)]) == 0
    assert "A later build failed" in (folder / "report.html").read_text(encoding="utf-8")


def finite(report):
    """The report as the builder writes it: JSON has no infinity."""
    return report.model_copy(
        update={
            "comparisons": tuple(
                one.model_copy(update={"used": min(one.used, 1e9), "worst_relative": min(one.worst_relative, 1e9)})
                for one in report.comparisons
            )
        }
    )


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("build.json", None, "the file cannot be read"),
        ("build.json", "{", "Invalid JSON"),
        ("build.json", "{}", "name: Field required"),
        ("load.json", '{"model": 1}', "Input should be a valid string"),
        ("answers.json", '[{"file": "a", "protocol": "pigeon"}]', "0.protocol: Input should be 'grpc' or 'http'"),
    ],
)
def test_a_bad_document_is_one_line_with_file_and_key(folder, capsys, name, text, told):
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)
    assert main(["report", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(folder / name) in error
    assert told in error
    assert not (folder / "report.html").exists()


def test_a_load_test_that_was_named_must_be_there(folder, capsys):
    assert main(["report", str(folder), "--load", str(folder / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_a_build_that_failed_and_never_passed(tmp_path, failed_build, capsys):
    (tmp_path / "failed.json").write_text(finite(failed_build.variants[0].served).model_dump_json())
    assert main(["report", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "the build failed" in error
    assert "tiger cat" in error


def test_a_page_that_cannot_be_written_leaves_nothing(folder, capsys):
    assert main(["report", str(folder), "--out", str(folder / "nowhere" / "page.html")]) == 2
    assert "the page cannot be written" in capsys.readouterr().err


def test_help_gives_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["report", "--help"])
    assert stop.value.code == 0
    assert "tritonkit report out/efficientnet_lite0" in capsys.readouterr().out
