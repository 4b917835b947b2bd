"""Run the command line as ``python -m postroom``."""

from postroom.cli import main

if __name__ == "__main__":
    main()
