"""The loss of PuzzleMix and Co-Mixup, by its formula."""
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS

from alignmix_mm.models import SoftmaxBCELoss


def formula(logits, target):
    p = logits.softmax(1).double()  # float32 decides what log(0) is
    total = 0.
    for n in range(len(p)):
        for k in range(p.shape[1]):
            y = float(target[n, k])
            total -= (y * max(float(p[n, k].log()), -100)
                      + (1 - y) * max(float((1 - p[n, k]).log()), -100))
    return total / p.numel()


@pytest.mark.parametrize('scale', [1., 30., 1000.])
def test_it_is_its_formula(scale):
    logits, target = torch.randn(5, 7) * scale, torch.rand(5, 7)
    # sums and logarithms of float32
    assert float(SoftmaxBCELoss()(logits, target)) == pytest.approx(
        formula(logits, target), rel=1e-5)


def test_classes_are_one_hot_labels():
    logits, labels = torch.randn(5, 7), torch.tensor([0, 6, 3, 3, 1])
    loss = SoftmaxBCELoss(loss_weight=3.)
    assert torch.equal(loss(logits, labels),
                       loss(logits, F.one_hot(labels, 7)))
    torch.testing.assert_close(loss(logits, labels),
                               3 * SoftmaxBCELoss()(logits, labels))


def test_the_loss_of_clean_images_is_cross_entropy_times_two_over_k():
    logits, labels = torch.randn(5, 7), torch.tensor([0, 6, 3, 3, 1])
    expected = F.cross_entropy(logits, labels) * 2 / 7
    clean = SoftmaxBCELoss().clean
    torch.testing.assert_close(clean(logits, labels), expected)
    torch.testing.assert_close(clean(logits, F.one_hot(labels, 7)), expected)


def test_it_leaves_autocast():
    logits = torch.randn(5, 7)
    target = torch.rand(5, 7)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = SoftmaxBCELoss()(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, SoftmaxBCELoss()(logits, target))


def test_it_is_registered_and_has_no_parameters():
    loss = MODELS.build(dict(type='SoftmaxBCELoss'))
    assert not loss.state_dict()
