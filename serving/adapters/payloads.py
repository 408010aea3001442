"""Request bodies on any fsspec storage, named by the digest of their content."""

import os
import uuid
from contextlib import suppress
from hashlib import sha256

import fsspec  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from registry.domain.errors import NotFound, Unavailable

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

    @property
    def is_near(self) -> bool:
        """Whether this is a disk, and no other storage that only looks like one."""
        return type(self._files) is LocalFileSystem

    def put(self, data: bytes) -> str:
        """Store a body; gives its digest. The same content is stored once.

        Unavailable if the storage is full or away; nothing is left of the body then.
        """
        digest = sha256(data).hexdigest()
        try:
            self._keep(self._path(digest), data)
        except Exception as error:  # each storage raises errors of its own
            raise Unavailable(
                f"The input could not be stored ({type(error).__name__}: {error}), so the request "
                "was not answered; try again shortly."
            ) from error
        return _PREFIX + digest

    def _keep(self, path: str, data: bytes) -> None:
        if self.is_near:
            _keep_on_disk(path, data)
            return
        if self._files.exists(path):
            return
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        partial = _partial(path)
        try:
            self._files.pipe_file(partial, data)
            self._files.mv(partial, path)
        except BaseException:
            with suppress(Exception):
                self._files.rm_file(partial)
            raise

    def get(self, digest: str) -> bytes:
        """A body; NotFound if it is gone."""
        try:
            data: bytes = self._files.cat_file(self._path(digest.removeprefix(_PREFIX)))
        except FileNotFoundError as error:
            raise NotFound(f"The body {digest} is no longer stored.") from error
        except Exception as error:
            raise Unavailable(f"The body {digest} cannot be read just now: {error}") from error
        return data

    def has(self, digest: str) -> bool:
        """Whether a body is still stored."""
        return bool(self._files.exists(self._path(digest.removeprefix(_PREFIX))))

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"


def _keep_on_disk(path: str, data: bytes) -> None:
    """The same by way of the operating system, since each request pays for it."""
    if _is_whole(path, len(data)):
        return
    partial = _partial(path)
    try:
        file = _new_file(partial)
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(file)
        os.replace(partial, path)
        _sync_folder(os.path.dirname(path))
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def _is_whole(path: str, size: int) -> bool:
    """Whether a body is there; one that a crash has torn is written again."""
    try:
        return os.stat(path).st_size == size
    except FileNotFoundError:
        return False


def _sync_folder(path: str) -> None:
    """A name is safe when its folder is; the row that names the body will be."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _new_file(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o644)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        _sync_folder(os.path.dirname(folder))
        return os.open(path, flags, 0o644)


def _partial(path: str) -> str:
    """Where a body is written: a reader must never see half of it under its own name."""
    return f"{path}.{uuid.uuid4().hex}"


def media_type(data: bytes) -> str:
    """The type of an input by its first bytes; the sender's word is not taken for it."""
    if data[:1] == b"{":
        return ROW
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), UNKNOWN)
