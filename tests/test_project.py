"""The files around the package agree with each other."""

import configparser
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def names(requirements: str) -> set[str]:
    """Return the packages that a list of requirements names."""
    found = (re.match(r"[A-Za-z0-9-]+", line.strip()) for line in requirements.splitlines())
    return {m.group().lower() for m in found if m} - {"cryptodask"}


def test_conda_and_pip_name_the_same_packages():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    ours = names(config["options"]["install_requires"])
    every = (
        "excel", "fetch", "lightgbm", "lstm", "ml", "mlflow", "notebook", "postgres", "prophet",
        "stats", "xgboost",
    )  # fmt: skip
    assert extras["all"].strip() == f"cryptodask[{','.join(every)}]"
    ours |= {n for extra in every for n in names(extras[extra])}
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = names("\n".join(item for item in listed if isinstance(item, str)))
    # conda-forge has dask's parts under names of their own, and one TensorFlow and one XGBoost for
    # a machine.
    assert conda - {"python", "pip", "distributed"} == ours - {"tensorflow", "xgboost-cpu"}


def test_no_machine_is_named_in_any_file():
    suffixes = {".py", ".md", ".cfg", ".toml", ".yml", ".ipynb", ""}
    kept = (p for p in ROOT.rglob("*") if p.is_file() and p.suffix in suffixes)
    for path in kept:
        folders = path.relative_to(ROOT).parts[:-1]
        if any(part.startswith(".") or part in ("data", "forecasts") for part in folders):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert not re.search(r"(?<![\w.])/(home|Users|work|root)/\w", text), path


def test_the_changelog_has_the_version_that_is_built():
    version = re.search(r'__version__ = "(.+)"', (ROOT / "cryptodask/__init__.py").read_text())
    assert version
    assert f"## {version.group(1)}" in (ROOT / "CHANGELOG.md").read_text()
