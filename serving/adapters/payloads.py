"""Request bodies on any fsspec storage, named by the digest of their content."""

import os
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256

import fsspec  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from registry.domain.errors import NotFound, Unavailable

_PREFIX = "sha256:"
_DIGITS = 64
_ASIDE = ".forgotten"
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
        # Others delete here, too: what was listed a moment ago says nothing.
        self._files, self._root = fsspec.core.url_to_fs(root, use_listings_cache=False)

    @property
    def is_near(self) -> bool:
        """Whether this is a disk, and no other storage that only looks like one."""
        return type(self._files) is LocalFileSystem

    def put(self, data: bytes) -> str:
        """Store a body; gives its digest. The same content is stored once.

        It is written again where that is the only trace that it was sent again.
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

    def forget(self, digest: str, sent_before: datetime) -> bool:
        """Delete a body unless it was sent again since then; whether it is gone.

        On a disk this loses none that is sent at the same moment, and may be repeated after it was
        cut short. Other storages cannot delete on a condition: there a body that was last sent long
        ago, and again within the fraction of a second between look and deletion, is lost.
        """
        path = self._path(digest.removeprefix(_PREFIX))
        if self.is_near:
            return _forget_on_disk(path, sent_before.timestamp())
        try:
            if _utc(self._files.modified(path)) >= sent_before:
                return False
            self._files.rm_file(path)
        except FileNotFoundError:
            return True
        return True

    def sent_before(self, folder: str, moment: datetime) -> tuple[str, ...]:
        """The bodies of a folder, the first two digits of their digests, last sent before then.

        Also those that somebody took aside to delete, and died.
        """
        place = f"{self._root}/{folder}"
        try:
            files = self._files.find(place)
        except FileNotFoundError:
            return ()
        names = {path.rsplit("/", 1)[1].removesuffix(_ASIDE): path for path in files}
        bodies = {name: path for name, path in names.items() if len(name) == _DIGITS}
        return tuple(
            _PREFIX + name
            for name, path in sorted(bodies.items())
            if path.endswith(_ASIDE) or _utc(self._files.modified(path)) < moment
        )

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
    """Whether a body is there, sent now; one that a crash has torn is written again."""
    try:
        now = time.time_ns()  # the kernel's own clock for files is some milliseconds behind
        os.utime(path, ns=(now, now))
        return os.stat(path).st_size == size
    except FileNotFoundError:
        return False


def _forget_on_disk(path: str, sent_before: float) -> bool:
    """Take the body aside, and only then look when it was last sent.

    Whoever sends it meanwhile either did so before, which is seen here, or finds it gone and writes
    it anew. What a process that died has left aside is judged in the same way.
    """
    aside = path + _ASIDE
    with suppress(FileNotFoundError):
        os.rename(path, aside)
    try:
        if os.stat(aside).st_mtime >= sent_before:
            os.rename(aside, path)
            return False
        os.unlink(aside)
        _sync_folder(os.path.dirname(path))
    except FileNotFoundError:
        return True
    return True


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
