"""A live Triton -> figures: load tests that count latency from when a request was due.

from benchmarks import LoadPlan, run_load

plan = LoadPlan(model="efficientnet_lite0", grpc_url="grpc://127.0.0.1:8001", files=(Path("cat.jpg"),))
report = run_load(plan)
print(report.series[0].throughput, report.series[0].latency.p99)
"""

from benchmarks.arrivals import parse_rate
from benchmarks.plan import LoadPlan
from benchmarks.run import run_load

__all__ = ["LoadPlan", "parse_rate", "run_load"]
