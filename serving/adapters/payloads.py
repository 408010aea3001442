"""Request bodies on any fsspec storage, named by the digest of their content."""

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from registry.domain.errors import NotFound, Unavailable
from serving.adapters import disk_bodies
from serving.adapters.depositing import Depositor

_PREFIX = "sha256:"
_DIGITS = 64
_THREADS = 6
# What a browser may be shown as it is; all else is a download.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
UNKNOWN, ROW = "application/octet-stream", "application/json"
KINDS = (UNKNOWN, ROW, *dict.fromkeys(kind for _, kind in _MAGIC))


class PayloadStore:
    """Implements serving.ports.Payloads below a root such as file:///… or s3://…."""

    def __init__(self, root: str) -> None:
        # Others delete here, too: what was listed a moment ago says nothing.
        self._files, self._root = fsspec.core.url_to_fs(root, use_listings_cache=False)
        self._lock = threading.Lock()
        self._depositing: Depositor | ThreadPoolExecutor | None = None

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
            raise _refusal(error) from error
        return _PREFIX + digest

    def deposit(self, data: bytes) -> "Future[str]":
        """The same soon, from a thread that waits for nothing; for a store that is near.

        Bodies that come at the same time share their waits for the disk, where that can be.
        """
        depositing = self._depositing or self._begin()
        if isinstance(depositing, Depositor):
            return depositing.put(data)
        return depositing.submit(self.put, data)

    def _begin(self) -> Depositor | ThreadPoolExecutor:
        with self._lock:
            if self._depositing is None:
                Path(self._root).mkdir(parents=True, exist_ok=True)
                sync_all = disk_bodies.syncs_together(self._root)

                def keep(bodies: Sequence[bytes]) -> list[str | Exception]:
                    digests = [sha256(data).hexdigest() for data in bodies]
                    named = list(zip(map(self._path, digests), bodies, strict=True))
                    ended = disk_bodies.keep_together(named, sync_all)
                    return [
                        _PREFIX + digest if error is None else _refusal(error)
                        for digest, error in zip(digests, ended, strict=True)
                    ]

                alone = ThreadPoolExecutor(_THREADS, thread_name_prefix="deposit")
                self._depositing = Depositor(keep) if sync_all else alone
            return self._depositing

    def _keep(self, path: str, data: bytes) -> None:
        if self.is_near:
            disk_bodies.keep(path, data)
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
            return disk_bodies.forget(path, sent_before.timestamp())
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
        names = {disk_bodies.name_of(path): path for path in files}
        bodies = {name: path for name, path in names.items() if len(name) == _DIGITS}
        return tuple(
            _PREFIX + name
            for name, path in sorted(bodies.items())
            if disk_bodies.is_aside(path) or _utc(self._files.modified(path)) < moment
        )

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _partial(path: str) -> str:
    """Where a body is written: a reader must never see half of it under its own name."""
    return f"{path}.{uuid.uuid4().hex}"


def _refusal(error: Exception) -> Unavailable:
    return Unavailable(
        f"The input could not be stored ({type(error).__name__}: {error}), so the request "
        "was not answered; try again shortly."
    )


def media_type(data: bytes) -> str:
    """The type of an input by its first bytes; the sender's word is not taken for it."""
    if data[:1] == b"{":
        return ROW
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), UNKNOWN)
