"""`python -m console.cli` is `stagegate`."""

from console.cli.main import main

main()
