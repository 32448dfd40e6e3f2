"""`python -m cli`: the command `reis` without its console script."""

from cli.main import app

if __name__ == "__main__":
    app()
