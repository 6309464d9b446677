"""What a message says of an error of the system or of a library."""

import errno

import pytest

from clipheads.bundle.errors import first_line, system_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "secret.png"), "Permission denied"),
        (OSError("image file\nis truncated"), "image file is truncated"),
        (TimeoutError(), "TimeoutError"),
        (OSError("x" * 900), "x" * 200),
    ],
)
def test_an_error_of_the_system_always_has_a_reason_of_one_line(
    error: OSError, reason: str
) -> None:
    assert system_reason(error) == reason


def test_of_another_error_the_first_line_is_said() -> None:
    assert first_line(ValueError("\n first\nsecond")) == "first"
    assert first_line(ValueError()) == "no reason given"
