"""`import registry` lets fastai load beside a torch that torchvision was not built for."""

import subprocess
import sys
from pathlib import Path

import pytest

from console import doctor
from registry.adapters import torch_shim

pytestmark = [pytest.mark.integration, pytest.mark.slow]
ROOT = Path(__file__).parents[3]


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


def test_after_registry_a_notebook_imports_fastai_and_keeps_register():
    """As the README writes it."""
    done = python(
        "from registry import register\nmine = register\nfrom fastai.vision.all import *\n"
        "assert register is mine\nimport torchvision\nprint(torchvision.models.resnet18().fc)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Linear(")


def test_importing_or_looking_for_torchvision_costs_no_torch():
    done = python(
        "import sys, registry, importlib.util as u\nassert u.find_spec('torchvision')\n"
        "print({'torch', 'torchvision'} & set(sys.modules))"
    )
    assert done.stdout == "set()\n", done.stderr


def test_the_doctor_says_what_an_import_without_registry_comes_to():
    bare = python("import torchvision")
    found = doctor.torchvision_operators()
    assert ("import registry" in found.sentence) == (bare.returncode != 0)
    assert found.ok


def test_the_doctor_names_a_torch_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch):
    def broken() -> bool:
        raise ImportError("libtorch.so: file too short")

    monkeypatch.setattr(torch_shim, "operators_load", broken)
    found = doctor.torchvision_operators()
    assert not found.ok
    assert "file too short" in found.sentence


def test_watching_twice_is_watching_once():
    before = len(sys.meta_path)
    torch_shim.watch_for_torchvision()
    assert len(sys.meta_path) == before
