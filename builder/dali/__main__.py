"""`python -m builder.dali REPOSITORY MODEL --out FOLDER`: the Python step of a candidate replaced by NVIDIA DALI.

For nodes whose Triton has the dali backend, such as NGC's containers. DALI's answers are held to the transform of the
evaluation before anything is written. Exit codes: 0 written; 1 its pixels are others; 2 an argument or the repository is
wrong; 3 DALI is not here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from builder.dali.compare import TOLERANCE
from builder.dali.lay import lay_dali
from tritonkit.spec.errors import KitError


def main() -> int:
    """Lays the repository and prints how far DALI lies from the transform."""
    parser = argparse.ArgumentParser(
        prog="python -m builder.dali", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path, metavar="REPOSITORY", help="of a candidate; never written to")
    parser.add_argument("model", metavar="MODEL", help="the ensemble")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the repository to write")
    parser.add_argument(
        "--device", choices=("gpu", "cpu"), default="gpu", help="where DALI runs (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2, help="DALI's own on the CPU (default: %(default)s)")
    args = parser.parse_args()
    try:
        laid = lay_dali(args.repository, args.model, args.out, args.device, args.threads)
    except KitError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    lines = [f"{one.picture:<24} worst {one.worst:4.1f} of 255, mean {one.mean:.2f}" for one in laid.differences]
    allowed = ", ".join(f"{name} {steps:g}" for name, steps in TOLERANCE.items())
    lines += ["", f"{laid.part} in {laid.repository}; allowed steps by filter: {allowed}"]
    lines += ["not proven served: that needs a Triton with the dali backend"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
