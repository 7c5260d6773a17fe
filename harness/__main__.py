"""`python -P -m harness`: the command, for children and for places without the script."""

from harness.cli.main import main

if __name__ == "__main__":
    main()
