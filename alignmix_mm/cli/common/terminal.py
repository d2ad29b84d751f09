"""What of MMEngine's log is shown on a terminal."""
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

# What MMEngine says of itself, of each parameter, and at every checkpoint.
_NOISE = (
    'Hooks will be executed', 'Config:', 'Name of parameter', 'Exp name:',
    'paramwise_options', 'Saving checkpoint at', 'Checkpoints will be saved',
    'The best checkpoint with', 'The previous best checkpoint',
    'Load checkpoint from', 'load backbone in model from',
    'Because batch augmentations are enabled',
    'backbone feature_info', 'Distributed training',
    '"FileClient" will be', '"HardDiskBackend" is')
# The bar says the same; a line of a validation has its metrics at the end.
_OF_THE_BAR = re.compile(
    r'(Epoch|Iter)\((train|(val|test)\)[^a-z]*(eta|time|data_time):)')


class QuietRunner(Runner):
    """MMEngine's runner; environment and config go to the log file only."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger, and choose what it shows.

        Args:
            *args: See ``Runner.build_logger``.
            **kwargs: See ``Runner.build_logger``.

        Returns:
            MMLogger: Writes everything to the file.
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
        """Write the config to the run's folder, but not over its source."""
        source = Path(self.cfg.filename or '')
        if source.resolve().parent != Path(self.work_dir).resolve():
            super().dump_config()


class _Formatter(MMFormatter):
    """MMEngine's, but a summary needs no time and no logger."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a line."""
        if getattr(record, SHOWN, False):
            return record.getMessage()
        return super().format(record)


def is_shown(record: logging.LogRecord, with_bar: bool) -> bool:
    """Whether a line of the log is shown.

    Args:
        record (LogRecord): The line.
        with_bar (bool): Whether there is a progress bar beside the log.
    """
    text = str(record.msg)
    if record.levelno >= logging.WARNING or getattr(record, SHOWN, False):
        return not text.startswith(_NOISE)
    return not (text.startswith(_NOISE) or 'System environment:' in text
                or with_bar and _OF_THE_BAR.match(text))
