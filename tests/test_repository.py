"""The repository holds together: packages, locks, documents, names."""

import importlib
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.migrations import SERVICES
from infra.roles import ROLES, Role
from infra.settings import Settings

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def _tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in (ROOT / line for line in listed.splitlines()) if path.exists()]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_ours_and_not_another_distribution_of_the_same_name(package: str) -> None:
    module = importlib.import_module(package)
    assert Path(str(module.__file__)).parent == ROOT / package


def test_every_top_level_package_is_shipped() -> None:
    found = {path.parent.name for path in _tracked("*/__init__.py") if path.parent.parent == ROOT}
    assert found - {"tests"} == set(PACKAGES)


def test_every_folder_of_tests_is_a_package_so_that_none_shadows_a_real_one() -> None:
    folders = {path.parent for path in _tracked("tests/**/*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("role", ROLES.values(), ids=lambda role: role.name)
def test_every_role_names_a_module_that_can_play_it(role: Role) -> None:
    if role.standalone:
        assert find_spec(f"{role.module}.__main__")
    else:
        assert callable(role.main())


def test_no_two_roles_want_the_same_port() -> None:
    ports = [role.port for role in ROLES.values()]
    assert len(set(ports)) == len(ports)


def test_the_tree_names_no_package_registry() -> None:
    done = subprocess.run([ROOT / ".ci" / "no-registries"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_locks_belong_to_the_project_file() -> None:
    done = subprocess.run([sys.executable, ".ci/lock.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_pin_in_the_locks_carries_a_hash() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        pins = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text())[1:]
        assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_the_image_and_the_compose_file_play_every_role_but_the_sandbox() -> None:
    played = set(re.findall(r"command: \[run, (\w+)\]", (ROOT / "docker-compose.yml").read_text()))
    assert played == set(ROLES) - {"sandbox"}


NOT_PASSED = {
    **dict.fromkeys(("REIS_HOST", "REIS_PORT", "REIS_LOG_JSON"), "the image sets it"),
    "REIS_DATA_DIR": "the folder of a local system",
    **dict.fromkeys(
        ("REIS_CLOCK_FACTOR", "REIS_CLOCK_REAL_ANCHOR", "REIS_CLOCK_VIRTUAL_ANCHOR"), "production has the real clock"
    ),
    **dict.fromkeys(("TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY"), "the compose file's own cluster has one namespace and no keys"),
}


def test_the_compose_file_passes_every_setting_on_but_those_with_a_reason_not_to() -> None:
    compose, image = (ROOT / "docker-compose.yml").read_text(), (ROOT / "Dockerfile").read_text()
    common = compose.partition("x-migrated:")[0].partition("  environment:\n")[2]
    passed = re.findall(r"^    ([A-Z_]+):", common, re.MULTILINE)
    assert len(passed) == len(set(passed))
    assert set(passed) == {field.alias for field in Settings.model_fields.values()} - NOT_PASSED.keys()
    assert [name for name, why in NOT_PASSED.items() if why == "the image sets it" and f" {name}=" not in image] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_migrations(service: str) -> None:
    assert list((ROOT / "services" / service / "migrations").glob("[0-9]*.py"))
