"""What a version is and where it may answer; `from registry import register` for notebooks."""

from registry.notebook import register

__all__ = ["register"]
