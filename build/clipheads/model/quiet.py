"""Keep the log lines and warnings of other libraries away from the terminal."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keep open_clip's log lines and warnings away: what matters is raised."""
    root = logging.getLogger()
    silencer = logging.NullHandler()  # without any handler, logging would add a printing one
    root.addHandler(silencer)
    previous = root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
        root.removeHandler(silencer)
