"""Out-of-distribution detection from scores."""
import numpy as np
from numpy.typing import ArrayLike

from ._arrays import to_numpy


def ood_metrics(scores_id: ArrayLike,
                scores_ood: ArrayLike,
                threshold: float = 0.5,
                equal_prior: bool = False) -> dict[str, float]:
    r"""How well scores tell samples of known classes from others.

    The score of Hendrycks and Gimpel (2017) is the largest probability; any
    score that is higher for in-distribution (ID) samples can be used.

    Args:
        scores_id (ArrayLike | Tensor): Scores of ID samples, ``(N, )``, any
            floating dtype.
        scores_ood (ArrayLike | Tensor): Scores of out-of-distribution
            (OOD) samples, ``(M, )``, likewise.
        threshold (float): Samples with ``score >= threshold`` are classified
            as ID. Defaults to 0.5, as in the paper.
        equal_prior (bool): Whether to add the areas under the
            precision-recall curve for sets of equal weight, as ODIN's code
            computes them. Defaults to False.

    Returns:
        dict[str, float]: Fractions and counts.

        - ``auroc``: :math:`P(s_{ID} > s_{OOD}) + P(s_{ID} = s_{OOD}) / 2`.
        - ``aupr_id``, ``aupr_ood``: average precision (step sum) with ID or
          OOD samples as positives. They depend on the sizes of the sets.
        - ``det_acc``: correct decisions at ``threshold``, mean of both sets.
        - ``det_acc_pooled``: the same for both sets as one.
        - ``det_acc_best``, ``best_threshold``: the highest mean of any
          threshold, and this threshold.
        - ``n_id``, ``n_ood``: the sizes of the sets.
        - ``aupr_id_equal_prior``, ``aupr_ood_equal_prior``: only with
          ``equal_prior``.

    Raises:
        ValueError: If a set is empty or has a score that is not finite.
        ImportError: If scikit-learn is not installed.
    """
    inside = _check(scores_id, 'scores_id')
    outside = _check(scores_ood, 'scores_ood')
    metrics = _sklearn_metrics()
    scores = np.concatenate([inside, outside])
    is_id = np.repeat([1, 0], [len(inside), len(outside)])

    kept = inside >= threshold
    rejected = outside < threshold
    right = kept.sum() + rejected.sum()
    false_rate, true_rate, thresholds = metrics.roc_curve(
        is_id, scores, drop_intermediate=False)
    balanced = (true_rate + 1 - false_rate) / 2
    best = int(balanced.argmax())
    result = dict(
        auroc=metrics.roc_auc_score(is_id, scores),
        # -s is exact; 1 - s would round small scores into ties
        aupr_id=metrics.average_precision_score(is_id, scores),
        aupr_ood=metrics.average_precision_score(1 - is_id, -scores),
        det_acc=(kept.mean() + rejected.mean()) / 2,
        det_acc_pooled=right / len(scores),
        det_acc_best=balanced[best],
        best_threshold=thresholds[best],
        n_id=len(inside),
        n_ood=len(outside))
    if equal_prior:
        weights = np.where(is_id == 1, 1 / len(inside), 1 / len(outside))
        result.update(
            aupr_id_equal_prior=metrics.average_precision_score(
                is_id, scores, sample_weight=weights),
            aupr_ood_equal_prior=metrics.average_precision_score(
                1 - is_id, -scores, sample_weight=weights))
    return {name: value if isinstance(value, int) else float(value)
            for name, value in result.items()}


def _check(scores: ArrayLike, name: str) -> np.ndarray:
    scores = to_numpy(scores).astype(np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f'Expected `{name}` of shape (N, ) with at least one '
                         f'score, but got {scores.shape}.')
    bad = int((~np.isfinite(scores)).sum())
    if bad:
        raise ValueError(f'Expected finite `{name}`, but {bad} of '
                         f'{len(scores)} are not.')
    return scores


def _sklearn_metrics():
    try:
        from sklearn import metrics  # two seconds, so not at the top
    except ImportError as error:
        raise ImportError(
            'AuROC and AuPR are computed by scikit-learn: `pip install '
            '"alignmix_mm[eval]"`.') from error
    return metrics
