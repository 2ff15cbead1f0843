"""What is uploaded: the source distribution is the whole project, and the wheel is what a host gets: in a fresh virtual
environment, beside a package of its own that is called app too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import flask_ingestion
import pytest

from tests.support.checkout import copy, kept

HOST = """
import json, sys, threading
from importlib.metadata import distributions

from flask import Flask
import flask_ingestion
from flask_ingestion import IngestionAPI, ingestion_finished

import app as own

app = Flask("host")
ingestion = IngestionAPI()
ingestion.init_app(app, url_prefix="/ingestion")
over = threading.Event()


@ingestion_finished.connect
def finished(*_, **__):
    over.set()


@ingestion.processor
def fetch(ids):
    return {one: own.describe(one) for one in ids}


ingestion_id = app.test_client().post("/ingestion/ingest", json={"ids": [7], "priority": "HIGH"}).json["ingestion_id"]
assert over.wait(20)
print(json.dumps({
    "package": flask_ingestion.__file__,
    "results": app.test_client().get(f"/ingestion/results/{ingestion_id}").text,
    "installed": sorted(one.metadata["Name"].lower() for one in distributions()),
}))
"""


def run(*arguments: str | Path, cwd: Path) -> str:
    """What a command of a process that sees nothing of this one's packages says."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "INGEST_", "FLASK_"))}
    done = subprocess.run(arguments, cwd=cwd, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def pip_install(environment: Path, *what: str | Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python_of(environment)))
    run(*pip, "install", "--quiet", *what, cwd=environment)


def python_of(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin") / "python"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to build from, so that the real one stays clean."""
    return copy(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, checkout, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (file,) = built.glob("*.tar.gz")
    return file


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    return folder


def test_the_wheel_holds_the_folder_app_whole_as_flask_ingestion(wheel: Path, checkout: Path) -> None:
    folder = checkout / "app"
    expected = {
        f"flask_ingestion/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert "flask_ingestion/py.typed" in held


def test_the_core_requires_flask_and_waitress_alone(metadata: Message) -> None:
    requires = metadata.get_all("Requires-Dist") or []
    assert sorted(one for one in requires if "extra ==" not in one) == ["flask>=3.1", "waitress>=3.0.1"]
    assert {"all", "http", "metrics", "postgres", "sql", "test"} <= set(metadata.get_all("Provides-Extra") or [])


def test_its_licence_is_told_and_comes_with_it(metadata: Message, wheel: Path, checkout: Path) -> None:
    assert metadata["License-Expression"] == "BSD-3-Clause"
    with zipfile.ZipFile(wheel) as archive:
        (held,) = (name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
        assert archive.read(held) == (checkout / "LICENSE").read_bytes()


def test_the_package_knows_its_version(metadata: Message) -> None:
    assert flask_ingestion.__version__ == metadata["Version"]


def test_the_source_distribution_is_the_repository(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = [member.name.partition("/")[2] for member in archive if member.isfile()]
    made = [name for name in held if name == "PKG-INFO" or name.startswith("Flask_Ingestion.egg-info/")]
    assert sorted(set(held) - set(made)) == kept()


def test_its_tests_pass_where_it_is_unpacked(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    run(sys.executable, "-m", "pytest", "--collect-only", cwd=unpacked)
    quick = ("tests/core/test_limiter.py", "tests/test_docs.py", "tests/test_imports.py")
    run(sys.executable, "-m", "pytest", *quick, cwd=unpacked)


def test_a_host_with_an_app_package_of_its_own_embeds_it(wheel: Path, environment: Path, tmp_path: Path) -> None:
    pip_install(environment, wheel)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("def describe(one):\n    return f'record {one}'\n")
    (tmp_path / "host.py").write_text(HOST)
    said = json.loads(run(python_of(environment), "host.py", cwd=tmp_path))
    assert said["results"] == '{"id":7,"data":"record 7"}\n'
    assert Path(said["package"]).is_relative_to(environment)
    flask_needs = {"blinker", "click", "flask", "itsdangerous", "jinja2", "markupsafe", "werkzeug"}
    assert set(said["installed"]) == {"flask-ingestion", "waitress", *flask_needs}


def test_every_module_of_the_wheel_can_be_imported(wheel: Path, environment: Path) -> None:
    pip_install(environment, f"{wheel}[all]")
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if name.endswith(".py")]
    files.remove("flask_ingestion/plugin.py")  # it is pytest that imports it
    modules = sorted({file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files})
    source = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    source += "print(len([name for name in sys.modules if name.startswith('flask_ingestion')]))"
    said = run(python_of(environment), "-c", source, *modules, cwd=environment)
    assert int(said) == len(modules) > 90


def test_an_editable_install_is_the_checkout_itself(checkout: Path, wheel: Path, environment: Path) -> None:
    pip_install(environment, wheel)  # for what it requires
    pip_install(environment, "--no-deps", "--editable", checkout)
    said = run(python_of(environment), "-c", "import flask_ingestion; print(flask_ingestion.__file__)", cwd=environment)
    assert Path(said.strip()) == checkout / "app" / "__init__.py"
