"""Styles of classes against numpy."""
import numpy as np
import pytest
import torch

from alignmix_mm.mixing.functional import (
    style_distances,
    style_gamma,
    style_statistics,
)
from alignmix_mm.mixing.functional.style_classes import class_means


def statistics(samples=23, features=10):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, features, generator=generator,
                       dtype=torch.float64)


LABELS = torch.tensor([0, 2, 1, 1, 2] * 4 + [0, 1, 1])  # of different sizes


def test_statistics_are_means_and_deviations_by_level():
    levels = [torch.randn(2, c, 6 - n, 5).double()
              for n, c in enumerate((64, 128, 256, 512))]
    found = style_statistics(levels)
    assert found.shape == (2, 1920)
    expected = [np.concatenate([moment for level in levels for moment in (
        level[n].numpy().mean((1, 2)),
        np.sqrt(level[n].numpy().var((1, 2), ddof=1) + 1e-5))])
        for n in range(2)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_distances_of_class_means():
    vectors = statistics()
    found = style_distances(vectors, LABELS, 3)
    means = [vectors[LABELS == k].numpy().mean(0) for k in range(3)]
    expected = [[((a - b)**2).mean() for b in means] for a in means]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert not found.diagonal().any() and found.equal(found.T)
    assert style_distances(vectors.float(), LABELS, 3).dtype == torch.float32


def test_all_samples_of_a_class_count():
    """The official code counts one of a class in each batch."""
    vectors = torch.tensor([[0.], [4.], [10.]])
    found = style_distances(vectors, torch.tensor([0, 0, 1]), 2)
    assert found[0, 1] == (10 - 2)**2


def test_batches_give_the_means_of_the_whole():
    vectors = statistics()
    batches = zip(vectors.split(4), LABELS.split(4))
    torch.testing.assert_close(
        class_means(batches, 3), class_means([(vectors, LABELS)], 3),
        rtol=0, atol=1e-14)


def test_classes_without_samples_and_unknown_labels_are_said():
    with pytest.raises(ValueError, match=r'all 5 classes.*none of \[3, 4\]'):
        style_distances(statistics(), LABELS, 5)
    with pytest.raises(ValueError, match='labels below 2.*up to 2'):
        style_distances(statistics(), LABELS, 2)
    with pytest.raises(ValueError, match='23 labels'):
        style_distances(statistics(), LABELS[:-1], 3)


def test_gamma_of_pairs():
    distances = style_distances(statistics(), LABELS, 3)
    own, partner = torch.tensor([0, 1, 2, 2]), torch.tensor([1, 1, 0, 2])
    found = style_gamma(distances, own, partner, 1.5)
    d = distances.numpy()
    expected = np.tanh(np.array([d[0, 1], 2, d[2, 0], 2]) / 1.5)
    np.testing.assert_allclose(found, expected, atol=1e-15)
    assert style_gamma(distances, own, partner)[1] == pytest.approx(
        np.tanh(2 / 3))
    assert style_gamma(distances, own, partner, same_class=0.)[3] == 0
    with pytest.raises(ValueError, match=r'\(K, K\)'):
        style_gamma(distances[:2], own, partner)
