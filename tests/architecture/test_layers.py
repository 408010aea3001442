"""The import contracts in pyproject.toml hold."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_packages_point_one_way():
    script = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([script, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_only_the_registration_side_names_torch_or_pickle():
    allowed = {"registry/adapters", "console/demo"}
    offenders = [
        str(path.relative_to(ROOT))
        for package in ("registry", "monitoring", "serving", "console")
        for path in (ROOT / package).rglob("*.py")
        if not any(str(path.relative_to(ROOT)).startswith(home) for home in allowed)
        and any(
            line.strip().startswith((f"import {name}", f"from {name}"))
            for line in path.read_text().splitlines()
            for name in ("torch", "fastai", "pickle", "cloudpickle", "dill", "joblib")
        )
    ]
    assert offenders == []
