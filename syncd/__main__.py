"""`python -m syncd`."""

from syncd.cli.main import main

main()
