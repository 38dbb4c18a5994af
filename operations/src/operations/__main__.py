"""`python -m operations`: the same as `klinecast-operate`."""

from operations.cli import main

main()
