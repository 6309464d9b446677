"""Where every error of a command ends: one line for the user, and the exit code.

    0    done
    1    what was checked has problems; or this program is wrong, and the line says so
    2    input or machine: the user can fix it
    130  interrupted

Nothing slow is imported before `main` runs, so that Ctrl-C finds it from the first moment.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from clipheads.bundle.errors import AtlasError, system_reason

SHOW = "--traceback"
"""The option that shows where in the program an error arose."""

MENDABLE, BUG, INTERRUPTED = 2, 1, 130

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_PACKAGES = {"clipheads", "headatlas"}


def main() -> None:
    """Run the program on the arguments of the command line, and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding than the texts gets escapes, not an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    raise SystemExit(exit_code(_run))


def exit_code(run: Callable[[], object]) -> int:
    """Call `run` and return the exit code; print a line to stderr if something went wrong."""
    try:
        try:
            run()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return _interrupted() if code == INTERRUPTED else code
    except (Exception, KeyboardInterrupt) as error:
        return _end(error)
    return 0


def _run() -> None:
    from typer import BadParameter

    from headatlas.commands.app import app

    # What is wrong in a command line: an unknown option, a value that is none, an absent one. Typer
    # has a click of its own and exports of its exceptions only some that inherit from this one.
    usage_error: Any = BadParameter.__mro__[1]
    try:
        code = app(standalone_mode=False)
    except usage_error as error:
        context = error.ctx
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            raise SystemExit(MENDABLE) from None
        said = " ".join(error.format_message().split())
        command = context.command_path if context else "head-atlas"
        raise AtlasError(f"{said.removesuffix('.')}; {command} -h says what is right") from None
    raise SystemExit(code if isinstance(code, int) else 0)


def _end(error: BaseException) -> int:
    # An import that is interrupted may turn the interruption into an error of its own.
    if any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error)):
        return _interrupted()
    if isinstance(error, OSError):
        _drop_output()
    if isinstance(error, BrokenPipeError):
        return 1  # whoever read the output has enough of it
    from headatlas.commands.printable import printable

    line, code = explain(error)
    if SHOW in sys.argv:
        import traceback

        _say("".join(traceback.format_exception(error)).rstrip())
    _say(f"head-atlas: {printable(line)}")
    return code


def _drop_output() -> None:
    """Let what could not be written go nowhere: Python would try it again at its end, and fail."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explain(error: BaseException) -> tuple[str, int]:
    """Return what to say of an error in one line, and the exit code that goes with it."""
    if isinstance(error, AtlasError):
        return str(error), MENDABLE
    if isinstance(error, OSError):
        return _of_the_system(error), MENDABLE
    kind = type(error).__name__
    if kind == "SafetensorError":
        return f"a file of tensors cannot be read or written ({error})", MENDABLE
    if isinstance(error, MemoryError):
        return "there is not enough memory for this", MENDABLE
    if kind == "OutOfMemoryError":
        return "there is not enough memory on the device; try a smaller --batch-size", MENDABLE
    if isinstance(error, RecursionError):
        return f"something in the input is nested too deeply ({_where(error)})", MENDABLE
    said = " ".join(f"{kind}: {error}".split())
    return (
        f"this is a bug in head-atlas: {said} ({_where(error)}); please report it with what"
        f" `head-atlas {SHOW} …` prints",
        BUG,
    )


def _of_the_system(error: OSError) -> str:
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if _is_name(name)]
    reason = system_reason(error)
    line = f"{' → '.join(names)}: {reason}" if names else reason
    if error.errno in _NO_ROOM:
        line += "; make room and run the command again: what is finished is kept"
    return line


def _is_name(name: object) -> bool:
    return isinstance(name, str | bytes | os.PathLike)


def _where(error: BaseException) -> str:
    """The innermost line of this project that the error passed through."""
    import traceback
    from pathlib import Path

    location = "outside of the program"
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if _PACKAGES.intersection(path.parent.parts):
            location = f"{path.name}, line {frame.lineno}"
    return location


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _interrupted() -> int:
    import signal

    # A second Ctrl-C ends what still waits, without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _say("head-atlas: interrupted; what is finished is kept")
    return INTERRUPTED


def _say(line: str) -> None:
    # A terminal that is gone, or none: there is nowhere to report it.
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201
