"""Building modules from records: names that would become program text."""

from pathlib import Path

import pytest
import torch
from torch import nn

from registry.adapters.inert_modules import build_module
from registry.adapters.inert_pickle import read_archive
from registry.domain.errors import Invalid

INJECTED = 'x")\ropen("{marker}", "w")\rdef g(self):\r    getattr(self, "y'


def saved(path: Path, name: str) -> Path:
    network = nn.Sequential(nn.Flatten())
    network._modules[name] = nn.Linear(4, 2)
    torch.save(network, path)
    return path


def test_an_ordinary_module_is_built_with_its_numbers(tmp_path: Path):
    archive = read_archive(saved(tmp_path / "a.pkl", "head_1"))
    module = build_module(archive, archive.root)
    assert [name for name, _ in module.named_children()] == ["0", "head_1"]
    assert module(torch.ones(3, 2, 2)).shape == (3, 2)


@pytest.mark.parametrize("name", [INJECTED, "", "a.b", "a\n", "a b", "straße", 'a"', "x\r"])
def test_a_name_that_is_no_name_is_refused(name: str, tmp_path: Path):
    hostile = name.format(marker=tmp_path / "marker") if "{" in name else name
    archive = read_archive(saved(tmp_path / "a.pkl", hostile))
    with pytest.raises(Invalid, match="has an attribute named"):
        build_module(archive, archive.root)
    assert not (tmp_path / "marker").exists()
