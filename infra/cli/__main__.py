"""`python -m infra.cli`: the command `reis` without its console script."""

from infra.cli.main import app

if __name__ == "__main__":
    app()
