"""The versions of Python and of the packages that matter here, without importing them."""

import platform
from importlib import metadata

from registry.domain.environment import PACKAGES


def installed_environment() -> dict[str, str]:
    """Versions by name; a package that is not installed is left out."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def requirements(*packages: str) -> list[str]:
    """`name==version` of each installed package."""
    found = []
    for package in packages:
        try:
            found.append(f"{package}=={metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return found
