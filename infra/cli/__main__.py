"""`python -m infra.cli`: the commands that run a system, without those that know journeys."""

from infra.cli.main import app

if __name__ == "__main__":
    app()
