"""The setting with the highest rate within an objective, found on a scratch copy of a built repository.

from benchmarks.tune import TuningPlan, read_built, tune

report = tune(read_built(Path("out/efficientnet_lite0")), TuningPlan(objective="p99<200ms"), folder=Path("out/tuning"))
print(report.winner)
"""

from benchmarks.tune.built import Built, read_built
from benchmarks.tune.run import Progress, TuningPlan, tune

__all__ = ["Built", "Progress", "TuningPlan", "read_built", "tune"]
