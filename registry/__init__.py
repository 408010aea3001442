"""What a version is and where it may answer; `from registry import register` for notebooks.

Imported before fastai it also lets torchvision load beside a CPU build of torch.
"""

from registry.adapters.torch_shim import watch_for_torchvision
from registry.notebook import register

watch_for_torchvision()

__all__ = ["register"]
