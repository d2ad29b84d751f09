"""Co-Mixup's terms and mixture, by hand and by loops."""
import math
import re

import comixup_loops as loops
import pytest
import torch

from alignmix_mm.mixing.functional import (
    comixup_compatibility,
    comixup_costs,
    comixup_mix,
    comixup_objective,
    comixup_penalty,
)

# sums of some hundred float64 numbers near 1, in another order
CLOSE = dict(rtol=1e-12, atol=1e-12)


def positive(*shape):
    return torch.rand(shape, dtype=torch.float64)


def assignment(parts, outputs, n, inputs):
    """Blocks of one input, or of two by half."""
    first, second = torch.randint(inputs, (2, parts, outputs, n, n))
    one_hot = torch.nn.functional.one_hot
    return (one_hot(first, inputs) + one_hot(second, inputs)).double() / 2


def compatibility_by_loops(saliency, omega, window):
    inputs, size = len(saliency), len(saliency[0])
    peaks = []
    for image in saliency:
        places = [(y, x) for y in range(size - window + 1)
                  for x in range(size - window + 1)]
        peaks.append(max(places, key=lambda place, image=image: sum(
            image[place[0] + i][place[1] + j]
            for i in range(window) for j in range(window))))
    D = [[abs(a[0] - b[0]) + abs(a[1] - b[1]) for b in peaks] for a in peaks]
    total = sum(map(sum, D))
    return [[(1 - omega) * (k == j) +
             (omega * inputs * D[k][j] / total if total else 0)
             for j in range(inputs)] for k in range(inputs)]


@pytest.mark.parametrize('size, window', [(11, 4), (9, 8), (5, 1)])
def test_compatibility_by_loops(size, window):
    saliency = positive(2, 3, size, size)
    A = comixup_compatibility(saliency, .2, window)
    for part, image in zip(A, saliency.tolist()):
        expected = torch.tensor(
            compatibility_by_loops(image, .2, window), dtype=torch.float64)
        torch.testing.assert_close(part, expected, **CLOSE)


def test_the_first_of_equal_windows_row_by_row():
    """Whole numbers: sums of windows are exact, and so are ties."""
    saliency = torch.zeros(1, 2, 9, 9)
    saliency[0, 0, 5, 1] = saliency[0, 0, 2, 6] = 4  # the upper one
    saliency[0, 1, 7, 7] = saliency[0, 1, 7, 3] = 4  # the left one
    A = comixup_compatibility(saliency, .5, 3)
    # windows with the peak: the first one has it in its last corner
    distances = compatibility_by_loops(saliency[0].tolist(), .5, 3)
    assert A[0].tolist() == distances
    constant = comixup_compatibility(torch.ones(1, 2, 9, 9), .5, 3)
    assert constant[0].tolist() == [[.5, 0], [0, .5]]


def test_compatibility_by_hand():
    saliency = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    for k, (y, x) in enumerate([(0, 0), (0, 2), (3, 2)]):
        saliency[0, k, y, x] = 1
    A = comixup_compatibility(saliency, .1, 1)
    # distances 2, 5 and 3, each counted twice: 3 / 20 of them times omega
    expected = [[.9, .03, .075], [.03, .9, .045], [.075, .045, .9]]
    torch.testing.assert_close(A[0], torch.tensor(
        expected, dtype=torch.float64), **CLOSE)
    assert torch.equal(A, comixup_compatibility(1e3 * saliency, .1, 1))


def test_one_input_is_compatible_with_itself():
    A = comixup_compatibility(positive(2, 1, 8, 8))
    torch.testing.assert_close(A, torch.full_like(A, .999), **CLOSE)


def test_costs_by_loops():
    saliency, prior = positive(2, 3, 6, 6), positive(2, 3)
    costs = comixup_costs(saliency, prior, 3, .07)
    for p in range(2):
        for k in range(3):
            total = saliency[p, k].sum().item()
            for y in range(3):
                for x in range(3):
                    block = saliency[p, k, 2 * y:2 * y + 2, 2 * x:2 * x + 2]
                    expected = (-block.sum().item() / total - .07 / 9 *
                                math.log(prior[p, k].item() + 1e-8))
                    assert math.isclose(costs[p, k, y, x].item(), expected,
                                        rel_tol=1e-12)


def test_no_saliency_is_an_equal_share():
    prior = torch.tensor([[1., 0.]], dtype=torch.float64)
    costs = comixup_costs(torch.zeros(1, 2, 8, 8, dtype=torch.float64), prior)
    torch.testing.assert_close(costs[0, 0], torch.full_like(
        costs[0, 0], -1 / 16 - .05 / 16 * math.log(1 + 1e-8)), **CLOSE)
    torch.testing.assert_close(costs[0, 1], torch.full_like(
        costs[0, 1], -1 / 16 - .05 / 16 * math.log(1e-8)), **CLOSE)


def test_penalty_only_above_the_threshold():
    """Of 16 blocks, tau = .5 is 8: not more than 8."""
    counts = torch.tensor([[8., 8.5, 3., 0.]])
    penalty = comixup_penalty(counts, torch.eye(4)[None], 16, gamma=4, tau=.5)
    assert penalty.tolist() == [[0, 4.25, 0, 0]]


def test_penalty_is_that_of_crowded_inputs_on_all():
    """A acts on what is left of the counts, not on what is left of A n."""
    A = torch.tensor([[[.5, 2., 0.], [1., .5, .25], [0., .25, 1.]]])
    counts = torch.tensor([[4., 2., 6.]])  # A n: 6, 6.5, 6.5
    penalty = comixup_penalty(counts, A, 8, gamma=2, tau=.8)  # above 6.4
    assert penalty.tolist() == [[2., 1.25, 3.25]]


def test_objective_by_hand():
    """Two outputs of 2 x 2 blocks: one is half/half in a block."""
    z = torch.tensor([[[[[1., 0], [1, 0]], [[1, 0], [.5, .5]]],
                       [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]]])
    costs = torch.tensor([[[[1., 1], [1, 1]], [[2., 2], [2, 2]]]])
    # costs: 4.5 and 6; edges: 2 of .5 and 2 of 2; counts: (3.5, .5), (2, 2),
    # products of the two: 7 + 1, counted twice
    assert comixup_objective(z, costs, beta=8, gamma=4).tolist() == [
        10.5 + 5 + 16]


def test_objective_by_loops():
    z, costs = assignment(2, 4, 3, 5), positive(2, 5, 3, 3)
    value = comixup_objective(z, costs, beta=.4, gamma=.7)
    for p in range(2):
        outputs = [[[{k: w for k, w in enumerate(block) if w} for block in row]
                    for row in output] for output in z[p].tolist()]
        expected = loops.objective(outputs, costs[p].tolist(), .4, .7)
        assert math.isclose(value[p].item(), expected, rel_tol=1e-12)


def test_mixture_by_loops():
    images, labels = positive(2, 5, 3, 6, 6) - .5, positive(2, 5, 7)
    z = assignment(2, 4, 3, 5)
    mixed, mixed_labels = comixup_mix(images, labels, z)
    for p in range(2):
        for m in range(4):
            for y in range(6):
                for x in range(6):
                    expected = z[p, m, y // 2, x // 2] @ images[p, :, :, y, x]
                    torch.testing.assert_close(mixed[p, m, :, y, x], expected,
                                               **CLOSE)
            expected = sum(z[p, m, :, :, k].sum() * labels[p, k]
                           for k in range(5))
            torch.testing.assert_close(mixed_labels[p, m],
                                       expected / expected.sum(), **CLOSE)


def test_unmixed_outputs_are_their_inputs():
    images, labels = positive(1, 3, 2, 8, 8).float(), torch.eye(3)[None]
    z = torch.eye(3)[None, :, None, None].expand(1, 3, 4, 4, 3)
    mixed, mixed_labels = comixup_mix(images, labels, z)
    assert torch.equal(mixed, images) and torch.equal(mixed_labels, labels)


def test_labels_of_two_classes_and_of_none():
    labels = torch.tensor([[[1., 1, 0], [0, 0, 0]]])
    z = torch.eye(2)[None, :, None, None].expand(1, 2, 2, 2, 2)
    _, mixed = comixup_mix(torch.zeros(1, 2, 1, 2, 2), labels, z)
    assert mixed.tolist() == [[[.5, .5, 0], [0, 0, 0]]]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_dtypes_stay(dtype):
    saliency, prior = positive(1, 3, 8, 8).to(dtype), positive(1, 3).to(dtype)
    costs, A = comixup_costs(saliency, prior), comixup_compatibility(saliency)
    z = assignment(1, 2, 4, 3).to(dtype)
    results = [costs, A, comixup_penalty(prior, A, 16),
               comixup_objective(z, costs),
               *comixup_mix(saliency[:, :, None], saliency[..., 0], z.double())
               ]
    assert {tensor.dtype for tensor in results} == {dtype}


def test_nothing_is_rounded_under_autocast():
    images, labels = positive(1, 3, 2, 8, 8).float(), torch.rand(1, 3, 5)
    z, counts = assignment(1, 3, 4, 3), positive(1, 3).float() * 30
    A = comixup_compatibility(images[:, :, 0])

    def results():
        return *comixup_mix(images, labels, z), comixup_penalty(counts, A, 16)

    expected = results()
    with torch.autocast('cpu', torch.bfloat16):
        assert all(map(torch.equal, results(), expected))


def test_gradients_reach_images_and_labels():
    images = positive(1, 2, 1, 4, 4).requires_grad_()
    labels = positive(1, 2, 3).requires_grad_()
    z = assignment(1, 2, 2, 2)
    assert torch.autograd.gradcheck(
        lambda *args: comixup_mix(*args, z), (images, labels))


@pytest.mark.parametrize('call, message', [
    (lambda: comixup_compatibility(torch.ones(1, 2, 8, 9)), '(1, 2, 8, 9)'),
    (lambda: comixup_compatibility(torch.ones(1, 2, 7, 7)), 'window, 8'),
    (lambda: comixup_costs(torch.ones(1, 2, 9, 9), torch.ones(1, 2)),
     '9 x 9'),
    (lambda: comixup_costs(torch.ones(1, 2, 8, 8), torch.ones(2)), '(2,)'),
    (lambda: comixup_mix(torch.ones(1, 2, 3, 9, 9), torch.ones(1, 2, 4),
                         torch.ones(1, 2, 4, 4, 2)), '4 blocks, but got 9'),
    (lambda: comixup_mix(torch.ones(1, 2, 3, 8, 8), torch.ones(1, 3, 4),
                         torch.ones(1, 2, 4, 4, 2)), '(1, 3, 4)'),
    (lambda: comixup_mix(torch.ones(1, 2, 3, 8, 8),
                         torch.ones(1, 2, 4, dtype=torch.int64),
                         torch.ones(1, 2, 4, 4, 2)), 'one-hot')])
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_half_precision_has_a_floor_and_does_not_overflow():
    """1e-8 is 0 in float16, and 40 inputs are further apart than 65,504."""
    saliency = torch.zeros(1, 40, 224, 224)
    places = torch.arange(40)
    saliency[0, places, places * 5, 223 - places * 5] = 1
    prior = torch.zeros(1, 40)
    prior[0, 0] = 1
    found = comixup_costs(saliency.half(), prior.half(), blocks=4)
    assert found.dtype == torch.float16 and found.isfinite().all()
    exact = comixup_compatibility(saliency, omega=.5)
    found = comixup_compatibility(saliency.half(), omega=.5)
    torch.testing.assert_close(found.float(), exact, rtol=1e-2, atol=1e-3)
    assert exact.sum() == pytest.approx(40)
