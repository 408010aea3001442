"""Whether this place can serve: versions, database, MLflow, disk, and what the models need."""

import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.domain.errors import StagegateError

if TYPE_CHECKING:
    from console.settings import Settings
    from registry.ports import UnitOfWork

NEEDED = ("numpy", "onnxruntime", "pillow", "sqlalchemy", "fastapi", "mlflow", "scipy")
FOR_REGISTERING = ("torch", "torchvision", "fastai", "onnx")
LEAST_FREE_BYTES = 2**30
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    sentence: str

    def document(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


def examine(settings: "Settings") -> tuple[Finding, ...]:
    """Look at everything, in the order in which a start would stumble over it."""
    database = _database(settings)
    findings = [_python(), *_packages(), _disk(settings), database, _mlflow(settings)]
    findings.append(_accounts(settings, database.ok))
    if database.ok:
        findings += _versions(settings)
    if all(f.ok for f in findings if f.name in {"database", "mlflow store"}):
        findings += _unrecorded(settings)
    return tuple(findings)


def _python() -> Finding:
    found = platform.python_version()
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, f"Python {found}" + ("" if ok else "; 3.11 or newer is needed"))


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        found = _installed(name)
        ok = found is not None
        yield Finding(
            name, ok, f"{name} {found}" if ok else f"{name} is missing; install stagegate again"
        )
    for name in FOR_REGISTERING:
        found = _installed(name)
        missing = f"no {name}: serving works, registering needs `pip install stagegate[train]`"
        yield Finding(name, True, f"{name} {found}" if found else missing)
    if all(_installed(name) for name in ("torch", "torchvision")):
        yield torchvision_operators()


def torchvision_operators() -> Finding:
    """Whether fastai can be imported as it is, or only after registry."""
    try:
        from registry.adapters.torch_shim import operators_load

        is_whole = operators_load()
    except Exception as error:  # noqa: BLE001 - a broken torch fails in ways of its own
        advice = f"torch cannot be imported: {_first_line(error)}; install it again"
        return Finding("torchvision operators", False, advice)
    pair = f"torchvision {_installed('torchvision')} beside torch {_installed('torch')}"
    if is_whole:
        return Finding("torchvision operators", True, f"the operators of {pair} load")
    return Finding(
        "torchvision operators",
        True,
        f"the operators of {pair} do not load; stagegate needs none of them. Where you train, write"
        " `import registry` before you import fastai or torchvision",
    )


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _disk(settings: "Settings") -> Finding:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    ok = free >= LEAST_FREE_BYTES
    advice = "" if ok else "; less than 1 GiB will soon stop the service, make room"
    return Finding("disk", ok, f"{free / _GIB:.1f} GiB free for {settings.home}{advice}")


def _database(settings: "Settings") -> Finding:
    from console.migrate import check, head

    try:
        check(settings.database)
    except StagegateError as error:
        return Finding("database", False, str(error))
    except Exception as error:  # noqa: BLE001 - each driver has its own errors
        return Finding("database", False, f"the database does not answer: {_first_line(error)}")
    return Finding("database", True, f"database at revision {head()}")


def _accounts(settings: "Settings", has_database: bool) -> Finding:
    from console.accounts import admins
    from console.exposure import exposure, require_decision

    try:
        require_decision(settings)
    except StagegateError as error:
        return Finding("accounts", False, str(error))
    if not settings.accounts:
        return Finding("accounts", True, exposure(settings))
    if has_database and not admins(settings):
        advice = "accounts are on, and no admin can log in; `stagegate user add NAME --role admin`"
        return Finding("accounts", False, advice)
    return Finding("accounts", True, "accounts are on")


def _mlflow(settings: "Settings") -> Finding:
    from mlflow import MlflowClient

    if _is_not_made_yet(settings):
        return Finding("mlflow store", True, "no MLflow store yet; the first registration makes it")
    try:
        names = [m.name for m in MlflowClient(settings.tracking_uri).search_registered_models()]
    except Exception as error:  # noqa: BLE001 - each store has its own errors
        return Finding("mlflow store", False, f"MLflow does not answer: {_first_line(error)}")
    return Finding("mlflow store", True, f"MLflow knows {len(names)} models")


def _is_not_made_yet(settings: "Settings") -> bool:
    file = settings.tracking_uri.removeprefix("sqlite:///")
    return file != settings.tracking_uri and not Path(file).exists()


def _unrecorded(settings: "Settings") -> Iterator[Finding]:
    from console.wiring import Wiring, now
    from registry.adapters.database.unit_of_work import SqlUnitOfWork
    from registry.services.sweep import unrecorded

    if _is_not_made_yet(settings):
        return
    wiring = Wiring(settings)

    @contextmanager
    def view() -> "Iterator[UnitOfWork]":
        with wiring.database.read() as connection:
            yield SqlUnitOfWork(connection)

    try:
        found = unrecorded(wiring.mlflow, view, now())
    finally:
        wiring.database.close()
    for one in found:
        name = f"{one.model}@{one.version}"
        yield Finding(
            name,
            ok=True,
            sentence=f"{name} is in MLflow, but not in this database: it belongs to another home,"
            f" or the next registration of {one.model} takes it back",
        )


def _versions(settings: "Settings") -> Iterator[Finding]:
    from registry.adapters.database.engine import Database
    from registry.adapters.database.unit_of_work import SqlUnitOfWork
    from registry.adapters.installed import installed_environment
    from registry.domain.environment import require_fit

    database = Database(settings.database)
    try:
        with database.read() as connection:
            known = SqlUnitOfWork(connection).versions.list()
    finally:
        database.close()
    here = installed_environment()
    for one in known:
        try:
            require_fit(one.name, one.environment, here)
        except StagegateError as error:
            yield Finding(one.name, ok=False, sentence=str(error))
        else:
            yield Finding(one.name, ok=True, sentence=f"{one.name} can be served here")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
