"""An environment of its own for a tool that cannot live in ours, made when it is first needed."""

import subprocess
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from registry.adapters.scratch_folders import scratch_folder
from registry.domain.errors import Invalid

_INSTALL_SECONDS, _RUN_SECONDS = 3600, 1800


class OwnEnvironment:
    """Packages in a folder of their own below `home`, for Python programs that need them.

    name: of the folder; name the versions in it, since what is there is not made again.
    """

    def __init__(self, home: Path, name: str, packages: Sequence[str], size: str) -> None:
        self._folder = home / name
        self._packages = tuple(packages)
        self._size = size

    @property
    def exists(self) -> bool:
        """Whether it was made before."""
        return self._python.exists()

    @property
    def _python(self) -> Path:
        return self._folder / "bin" / "python"

    def make(self) -> None:
        """Install it, unless it is there; Invalid says why it cannot be had.

        It gets its name when it is whole, so one that was interrupted is never used.
        """
        if self.exists:
            return
        with scratch_folder(self._folder.parent, f".{self._folder.name}.") as made:
            venv.create(made, with_pip=True, symlinks=True)
            self._install(made / "bin" / "python")
            self._name(made)

    def run(self, program: Path, *arguments: str) -> None:
        """Run a Python file in it; Invalid with the last line of what it said if it fails."""
        command = [str(self._python), "-I", str(program), *arguments]
        with tempfile.TemporaryDirectory() as scratch:
            done = _run(command, Path(scratch), _RUN_SECONDS)
        if done is not None:
            raise Invalid(f"{program.stem} failed ({done})")

    def _install(self, python: Path) -> None:
        command = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--no-cache-dir"]
        failed = _run([*command, *self._packages], python.parent, _INSTALL_SECONDS)
        if failed is not None:
            raise Invalid(
                f"this needs an environment of its own in {self._folder} with"
                f" {', '.join(self._packages)} ({self._size}), which could not be installed"
                f" ({failed}); see that this machine reaches a package index (PIP_INDEX_URL) and"
                " has the space, and try again"
            )

    def _name(self, made: Path) -> None:
        try:
            made.rename(self._folder)
        except OSError:
            if not self.exists:  # else somebody else was first, and it is the same
                raise


def _run(command: Sequence[str], folder: Path, seconds: int) -> str | None:
    """None if it succeeds, else the last line of its errors."""
    try:
        done = subprocess.run(  # noqa: S603 - Python of an environment that we made
            command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {seconds} s"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return None if done.returncode == 0 else (lines or [f"exit status {done.returncode}"])[-1][:300]
