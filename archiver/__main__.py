"""`python -m archiver`, and the entry point of the `archiver` command."""

from archiver.cli.main import main

if __name__ == "__main__":
    main()
