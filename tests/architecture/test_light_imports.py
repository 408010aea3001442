"""Start-up stays light: heavy libraries load only inside the command that needs them."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch", "torchvision", "fastai", "mlflow", "evidently", "pandas", "pyarrow", "onnx",
    "scipy.stats",
)  # fmt: skip


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import console.cli.main", "import console.app"])
def test_no_heavy_library_is_imported_at_start(statement: str):
    assert not modules_after(statement) & set(HEAVY)


def test_help_needs_no_framework():
    loaded = modules_after("import console.cli.main")
    assert not loaded & {"fastapi", "sqlalchemy", "numpy", "onnxruntime", "pydantic"}
