"""MMEngine metric: calibration, with its diagram."""
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.registry import METRICS

from ...visualization import plot_reliability, save
from ..functional import BinStatistics, bin_confidences
from ._report import run_folder


@METRICS.register_module()
class CalibrationError(BaseMetric):
    """``calibration/ece`` and ``calibration/oe``, in percent.

    See :func:`alignmix_mm.evaluation.functional.expected_calibration_error`
    and ``overconfidence_error``. The diagram is written to
    ``reliability.png`` and ``.svg`` in the run's folder, its table to
    ``reliability.json``.

    Args:
        n_bins (int): Number of bins of equal width. Defaults to 15.
        out_dir (str, optional): Folder of the files. Defaults to None: the
            folder of the run's log; without a log file nothing is written.
        collect_device (str): See ``BaseMetric``. Defaults to ``'cpu'``.
        prefix (str, optional): See ``BaseMetric``. Defaults to None.

    Raises:
        ValueError: If ``n_bins`` is not a positive integer; during
            evaluation, if a sample does not have exactly one label.
    """

    default_prefix = 'calibration'

    def __init__(self,
                 n_bins: int = 15,
                 out_dir: str | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        # an invalid number raises now, not after the evaluation
        bin_confidences([.5], [True], n_bins)
        self.n_bins = n_bins
        self.out_dir = out_dir

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the confidence of each sample, and whether it is correct.

        Args:
            data_batch (dict): Not used.
            data_samples (Sequence[dict]): Samples with ``pred_score``,
                ``(K, )``, and ``gt_label``, ``(1, )``, int64.

        Raises:
            ValueError: If a sample does not have exactly one label.
        """
        probs = torch.stack([s['pred_score'] for s in data_samples])
        probs = probs.float().cpu().numpy()
        labels = torch.cat([s['gt_label'] for s in data_samples]).cpu().numpy()
        if len(labels) != len(probs):
            raise ValueError(
                f'Expected one label for each of {len(probs)} samples, but '
                f'got {len(labels)}. Calibration is that of the one class '
                'which is predicted.')
        predicted = probs.argmax(1)
        self.results.extend(zip(probs.max(1).tolist(),
                                (predicted == labels).tolist()))

    def compute_metrics(self, results: list[tuple[float, bool]]) -> dict:
        """Bin the confidences; the errors are NaN if one is not finite."""
        confidence, correct = map(np.array, zip(*results))
        bad = int((~np.isfinite(confidence)).sum())
        if bad:
            print_log(f'{bad} of {len(results)} predictions are not finite: '
                      'calibration is undefined.', logger='current',
                      level=logging.WARNING)
            return dict(ece=np.nan, oe=np.nan)
        table = bin_confidences(confidence, correct, self.n_bins)
        self._write(table)
        return dict(ece=100 * table.ece, oe=100 * table.oe)

    def _write(self, table: BinStatistics) -> None:
        folder = run_folder() if self.out_dir is None else Path(self.out_dir)
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / 'reliability.json'
        path.write_text(json.dumps(table.to_dict(), indent=1) + '\n')
        figure = plot_reliability({'': table})
        for suffix in '.png', '.svg':
            save(figure, path.with_suffix(suffix))
        print_log(f'Reliability diagram: {path.with_suffix(".png")}',
                  logger='current')
