"""How a failure is told: a sentence on stderr, with --json a problem document too, an exit code."""

import json
from collections.abc import Callable
from typing import Any

import typer
from typer.exceptions import Abort, TyperException

from registry.domain.errors import StagegateError

_ERROR, _USAGE = 1, 2
_QUERY = "query."


def exit_code_of(call: Callable[[], object], *, as_json: bool) -> int:
    """Call the program; whatever goes wrong is told, and no traceback is shown."""
    try:
        code = call()
        return code if isinstance(code, int) else 0
    except StagegateError as error:
        return _tell(error, as_json)
    except TyperException as error:
        return _tell_usage(error, as_json)
    except Abort:
        typer.echo("Aborted!", err=True)
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback without --debug
        what = (str(error).splitlines() or [""])[0]
        typer.echo(f"stagegate: {type(error).__name__}: {what} (`--debug` shows where)", err=True)
    return _ERROR


def problem_of(error: StagegateError) -> dict[str, Any]:
    """An error as a problem document, as the service would send it."""
    sent = getattr(error, "problem", None)
    if sent is not None:
        return dict(sent)
    reasons = getattr(error, "reasons", ())
    more = {"reasons": list(reasons)} if reasons else {}
    return _problem(error.title, error.status, str(error)) | more


def _tell(error: StagegateError, as_json: bool) -> int:
    problem, wrong = problem_of(error), _wrong_options(error)
    if wrong:
        problem["detail"] = wrong
    if as_json:
        typer.echo(json.dumps(problem, indent=2))
    reasons = getattr(error, "reasons", ())
    typer.echo(f"stagegate: {f'{error.title}:' if reasons else problem['detail']}", err=True)
    for reason in reasons:
        typer.echo(f"  - {reason}", err=True)
    return _USAGE if wrong else _ERROR


def _wrong_options(error: StagegateError) -> str:
    """What the service found wrong with parameters, which were options here; else nothing."""
    errors = problem_of(error).get("errors") or []
    if not errors or not all(str(one["field"]).startswith(_QUERY) for one in errors):
        return ""
    options = [str(one["field"]).removeprefix(_QUERY).replace("_", "-") for one in errors]
    return "; ".join(f"--{o}: {one['expected']}" for o, one in zip(options, errors, strict=True))


def _tell_usage(error: TyperException, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps(_problem("Wrong usage", 400, error.format_message()), indent=2))
    show: Callable[[], None] = getattr(error, "show", lambda: typer.echo(str(error), err=True))
    show()
    return error.exit_code


def _problem(title: str, status: int, detail: str) -> dict[str, Any]:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}
