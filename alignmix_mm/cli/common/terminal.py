"""Choose which lines of MMEngine's log are shown on the terminal."""
import logging
import re
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.logging.logger import MMFormatter
from mmengine.runner import Runner
from rich.console import Console

from ...engine.hooks.summary import SHOWN

# Lines about MMEngine itself, about each parameter and each checkpoint.
_NOISE = (
    'Hooks will be executed', 'Config:', 'Name of parameter', 'Exp name:',
    'paramwise_options', 'Saving checkpoint at', 'Checkpoints will be saved',
    'The best checkpoint with', 'The previous best checkpoint',
    'Load checkpoint from', 'load backbone in model from',
    'Because batch augmentations are enabled',
    'backbone feature_info', 'Distributed training',
    '"FileClient" will be', '"HardDiskBackend" is')
# The bar shows the same; the last line of a validation has its metrics.
_OF_THE_BAR = re.compile(
    r'(Epoch|Iter)\((train|(val|test)\)[^a-z]*(eta|time|data_time):)')


class QuietRunner(Runner):
    """A runner that logs environment and config to the log file only."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger and filter what it shows on the terminal.

        Args:
            *args: See ``Runner.build_logger``.
            **kwargs: See ``Runner.build_logger``.

        Returns:
            MMLogger: It still writes everything to the log file.
        """
        logger = super().build_logger(*args, **kwargs)
        with_bar = Console().is_terminal
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(lambda record: is_shown(record, with_bar))
                handler.setFormatter(_Formatter(
                    color=True, datefmt='%m/%d %H:%M:%S'))
        return logger

    @master_only
    def dump_config(self) -> None:
        """Write the config to the run's folder, unless it was read there."""
        source = Path(self.cfg.filename or '')
        if source.resolve().parent != Path(self.work_dir).resolve():
            super().dump_config()


class _Formatter(MMFormatter):
    """MMEngine's formatter, without time and logger for a summary."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a line."""
        if getattr(record, SHOWN, False):
            return record.getMessage()
        return super().format(record)


def is_shown(record: logging.LogRecord, with_bar: bool) -> bool:
    """Say whether a line of the log is shown on the terminal.

    Args:
        record (LogRecord): The line.
        with_bar (bool): Whether a progress bar is shown too.

    Returns:
        bool: Whether to show it.
    """
    text = str(record.msg)
    if record.levelno >= logging.WARNING or getattr(record, SHOWN, False):
        return not text.startswith(_NOISE)
    return not (text.startswith(_NOISE) or 'System environment:' in text
                or with_bar and _OF_THE_BAR.match(text))
