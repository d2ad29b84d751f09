"""MMEngine metric: detection of out-of-distribution samples."""
import logging
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.registry import METRICS

from ..functional import ood_metrics
from ._report import markdown_table

COUNTS = ('n_id', 'n_ood')
COLUMNS = ('det_acc', 'auroc', 'aupr_id', 'aupr_ood', 'det_acc_pooled',
           'det_acc_best', *COUNTS)


@METRICS.register_module()
class OODDetection(BaseMetric):
    """Tell samples of the known classes from others by their confidence.

    It needs the data set ``OODTestSets``, which names the set of each sample.
    Keys are ``ood/<set>/auroc`` and so on, in percent, see
    :func:`alignmix_mm.evaluation.functional.ood_metrics`; the score is the
    largest probability (Hendrycks and Gimpel, 2017). The log gets a table.

    Args:
        threshold (float): Samples with at least this confidence are
            classified as known. Defaults to 0.5.
        collect_device (str): See ``BaseMetric``. Defaults to ``'cpu'``.
        prefix (str, optional): See ``BaseMetric``. Defaults to None.
    """

    default_prefix = 'ood'

    def __init__(self,
                 threshold: float = 0.5,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.threshold = threshold

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the confidence and the set of each sample.

        Args:
            data_batch (dict): Not used.
            data_samples (Sequence[dict]): Samples with ``pred_score``,
                ``(K, )``, and ``ood_set``.

        Raises:
            ValueError: If samples have no ``ood_set``.
        """
        if 'ood_set' not in data_samples[0]:
            raise ValueError(
                'OODDetection expected samples of the data set OODTestSets, '
                'but these have no `ood_set`. Set `test_dataloader.dataset` '
                'as in configs/alignmix_r18_cifar100_ood.py.')
        probs = torch.stack([s['pred_score'] for s in data_samples])
        scores = probs.float().max(1).values.tolist()
        sets = [s['ood_set'] for s in data_samples]
        self.results.extend(zip(sets, scores))

    def compute_metrics(self, results: list[tuple[str, float]]) -> dict:
        """Compare every set with the known classes."""
        sets: dict[str, list[float]] = {}
        for name, score in results:
            sets.setdefault(name, []).append(score)
        known = sets.pop('', [])
        rows = {name: self._compare(known, scores, name)
                for name, scores in sets.items()}
        print_log('OOD detection, %\n' + markdown_table(rows, COLUMNS),
                  logger='current')
        return {f'{name}/{key}': value for name, row in rows.items()
                for key, value in row.items()}

    def _compare(self, known: list[float], unknown: list[float],
                 name: str) -> dict[str, float]:
        try:
            row = ood_metrics(known, unknown, self.threshold)
        except ValueError as error:  # keep the figures of the other sets
            print_log(f'OOD set {name!r}: {error}', logger='current',
                      level=logging.WARNING)
            row = dict.fromkeys(COLUMNS, np.nan)
        return {key: row[key] if key in COUNTS else 100 * row[key]
                for key in COLUMNS}
