"""``python -m spanguard`` is the command ``spanguard``."""

from spanguard.cli import main

main()
