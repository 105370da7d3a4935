"""python -m semcorr_cli, and the `semcorr` command."""

import sys


def run() -> None:
    """Runs the command line and leaves with its exit code."""
    from semcorr_cli.cli.app import main

    sys.exit(main())


if __name__ == "__main__":
    run()
