"""`python -m tritonkit` is `tritonkit`."""

import sys

from tritonkit.commands import main

sys.exit(main())
