"""Static files, read once; an address carries its digest, so browsers may keep it forever."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from registry.domain.errors import NotFound

_FOLDER = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file and how to serve it."""

    content: bytes
    media_type: str
    digest: str


class Assets:
    """The files below `static`, by their relative path; nothing else can be asked for."""

    def __init__(self) -> None:
        self._assets = {
            path.relative_to(_FOLDER).as_posix(): _asset(path)
            for path in sorted(_FOLDER.rglob("*"))
            if path.suffix in _TYPES
        }

    @cached_property
    def revision(self) -> str:
        """Changes with every file that makes the pages, templates included."""
        digest = hashlib.sha256()
        for path in sorted([*_FOLDER.rglob("*.*"), *_TEMPLATES.rglob("*.html")]):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:12]

    def get(self, name: str) -> Asset:
        """The file of that name."""
        if name not in self._assets:
            raise NotFound(f"there is no static file {name!r}")
        return self._assets[name]

    def text(self, name: str) -> str:
        """What the file says, for a page that must need nothing else."""
        return self.get(name).content.decode()

    def url(self, name: str) -> str:
        """Where a page finds the file."""
        return f"/static/{name}?v={self.get(name).digest}"


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
