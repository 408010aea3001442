"""Request bodies on any fsspec storage, named by the digest of their content."""

import uuid
from hashlib import sha256

import fsspec  # type: ignore[import-untyped]

from registry.domain.errors import NotFound

_PREFIX = "sha256:"
# What a browser may be shown as it is; all else is a download.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
UNKNOWN, ROW = "application/octet-stream", "application/json"


class PayloadStore:
    """Implements serving.ports.Payloads below a root such as file:///… or s3://…."""

    def __init__(self, root: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(root)

    def put(self, data: bytes) -> str:
        """Store a body; gives its digest. The same content is stored once."""
        digest = sha256(data).hexdigest()
        path = self._path(digest)
        if self._files.exists(path):
            return _PREFIX + digest
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        # A reader must never see half a file, so it appears under its name when it is whole.
        partial = f"{path}.{uuid.uuid4().hex}"
        self._files.pipe_file(partial, data)
        self._files.mv(partial, path)
        return _PREFIX + digest

    def get(self, digest: str) -> bytes:
        """A body; NotFound if it is gone."""
        try:
            data: bytes = self._files.cat_file(self._path(digest.removeprefix(_PREFIX)))
        except FileNotFoundError as error:
            raise NotFound(f"The body {digest} is no longer stored.") from error
        return data

    def has(self, digest: str) -> bool:
        """Whether a body is still stored."""
        return bool(self._files.exists(self._path(digest.removeprefix(_PREFIX))))

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"


def media_type(data: bytes) -> str:
    """The type of an input by its first bytes; the sender's word is not taken for it."""
    if data[:1] == b"{":
        return ROW
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), UNKNOWN)
