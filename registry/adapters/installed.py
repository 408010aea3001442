"""The versions of Python and of the packages that matter here, without importing them."""

import platform
from importlib import metadata

from registry.domain.environment import PACKAGES


def installed_environment() -> dict[str, str]:
    """Versions by name; a package that is not installed is left out."""
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cuda": _cuda() or "none",
    }
    versions = {package: _version(package) for package in PACKAGES}
    return found | {package: version for package, version in versions.items() if version}


def _cuda() -> str | None:
    """The CUDA that the installed torch was built for, by its local version or what came along."""
    tag = (_version("torch") or "").partition("+cu")[2]
    if tag.isdecimal():
        return f"{tag[:-1]}.{tag[-1]}"
    return _version("nvidia-cuda-runtime") or _version("nvidia-cuda-runtime-cu12")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def requirements(*packages: str) -> list[str]:
    """`name==version` of each installed package."""
    versions = ((package, _version(package)) for package in packages)
    return [f"{package}=={version}" for package, version in versions if version]
