"""The TensorRT seam: ONNX files -> engines, built for the GPU at hand and kept by all that they depend on.

`build_engine.py` is the way in for a program, `node.py` (`python -m builder.engines`) what a GPU node runs.
"""

from builder.engines.backend_choice import BackendChoice, choose_backend
from builder.engines.profile_configs import NO_ENGINE, accelerator_config, plan_name, tensorrt_config
from builder.engines.records import ENGINE_FILES, EngineKey, EngineRecord, EngineSettings

__all__ = [
    "ENGINE_FILES",
    "NO_ENGINE",
    "BackendChoice",
    "EngineKey",
    "EngineRecord",
    "EngineSettings",
    "accelerator_config",
    "choose_backend",
    "plan_name",
    "tensorrt_config",
]
