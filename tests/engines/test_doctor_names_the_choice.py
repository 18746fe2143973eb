"""`tritonkit doctor` says which backend and file a server will take for a model that has profiles."""

import pytest

from tritonkit.commands.doctor import _choices

TENSORRT = 'backend: "tensorrt"\ncc_model_filenames { key: "8.6" value: "model_sm86.plan" }\n'


@pytest.mark.parametrize(
    ("name", "chosen", "verdict"),
    [
        (None, "onnxruntime takes model.onnx (config.pbtxt)", "ok"),
        ("sm90", "onnxruntime takes model.onnx (config.pbtxt; there is no configs/sm90", "ok"),
        ("sm86", "tensorrt takes model.plan", "fails"),
    ],
)
def test_doctor_names_backend_and_file(name, chosen, verdict, tmp_path, monkeypatch):
    monkeypatch.setattr("tritonkit.commands.doctor._compute_capability", lambda: None)
    model = tmp_path / "m"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.onnx").write_bytes(b"x")
    (model / "config.pbtxt").write_text('backend: "onnxruntime"\n')
    (model / "configs").mkdir()
    (model / "configs" / "sm86.pbtxt").write_text(TENSORRT)
    (found,) = _choices(tmp_path, name)
    assert found.subject == "m"
    assert found.detail.startswith(chosen)
    assert found.verdict == verdict
