"""``python -m recare``: the same as the ``recare`` command."""

from recare.cli import main

if __name__ == "__main__":
    main()
