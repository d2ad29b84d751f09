"""The folder and the table of a metric's report."""
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import MMLogger


def run_folder() -> Path | None:
    """Folder of the current run's log.

    Returns:
        Path, optional: ``work_dir/timestamp``, or None if there is no log
        file.
    """
    log_file = MMLogger.get_current_instance().log_file
    return None if log_file is None else Path(log_file).parent


def markdown_table(rows: dict[str, dict[str, float]],
                   columns: Sequence[str]) -> str:
    """Make a Markdown table of numbers; integers have no decimals.

    Args:
        rows (dict[str, dict[str, float]]): Values of each row, by its name.
        columns (Sequence[str]): Keys to show.

    Returns:
        str: The table.
    """
    lines = ['| set | ' + ' | '.join(columns) + ' |',
             '|---' * (len(columns) + 1) + '|']
    for name, row in rows.items():
        values = (str(row[key]) if isinstance(row[key], int) else
                  f'{row[key]:.2f}' for key in columns)
        lines.append(f'| {name} | ' + ' | '.join(values) + ' |')
    return '\n'.join(lines)
