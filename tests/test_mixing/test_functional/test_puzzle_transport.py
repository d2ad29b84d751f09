"""Transport of PuzzleMix against hand-made auctions and loops."""
import pytest
import torch

from alignmix_mm.mixing.functional import puzzle_mix, puzzle_plan


def auction(mask, share, t_eps=.8):
    """The plan of one image in plain Python."""
    side = len(mask)
    places = [(y, x) for y in range(side) for x in range(side)]
    cost = [[t_eps * ((y - v)**2 + (x - u)**2) / (side - 1)**2
             - (share[y][x] if mask[v][u] > 0 else 0)
             for v, u in places] for y, x in places]
    for _ in range(side):
        claims = [row.index(min(row)) for row in cost]
        winner = {}
        for patch, place in enumerate(claims):
            best = winner.get(place)
            if best is None or cost[patch][place] < cost[best][place]:
                winner[place] = patch
        for patch, place in enumerate(claims):
            if winner[place] != patch:
                cost[patch][place] += 1
    plan = torch.zeros(side**2, side**2, dtype=torch.float64)
    for place, patch in winner.items():
        plan[patch, place] = 1
    return plan


def case(side, count=6, levels=3):
    masks = torch.randint(levels, (count, side, side)).double() / (levels - 1)
    share = torch.rand(count, side, side, dtype=torch.float64)**4
    return masks, share / share.sum((1, 2), keepdim=True)


def test_an_auction_by_hand():
    """Patch 2 pays .8 - .9 for place 0, its owner gets -.05 there.

    The loser finds places 1 and 2 equally cheap then, claims the first of
    them, loses again, and is nowhere. Place 2 stays empty.
    """
    mask = torch.tensor([[[1., 0], [0, 0]]])
    share = torch.tensor([[[.05, .05], [.9, 0]]])
    wanted = torch.zeros(1, 4, 4)
    wanted[0, 2, 0] = wanted[0, 1, 1] = wanted[0, 3, 3] = 1
    assert torch.equal(puzzle_plan(mask, share), wanted)
    # moving costs more than the place is worth
    assert torch.equal(puzzle_plan(mask, share, t_eps=.9),
                       torch.eye(4)[None])


@pytest.mark.parametrize('side, t_eps', [
    (2, .8), (2, .1), (3, .8), (3, .05), (5, .8), (5, .02), (8, .8), (8, .01)])
def test_auctions_by_loops(side, t_eps):
    masks, share = case(side)
    share[0] = 1 / side**2  # many ties
    masks[1], share[1] = 0, share[0]
    masks[2, 0], masks[2, 1:] = 1, 0
    plan = puzzle_plan(masks, share, t_eps)
    for image in range(len(masks)):
        wanted = auction(masks[image].tolist(), share[image].tolist(), t_eps)
        assert torch.equal(plan[image], wanted)
    assert plan.sum(1).max() == plan.sum(2).max() == 1
    if t_eps < .1:
        assert not plan.diagonal(dim1=1, dim2=2).all()  # something moves


def test_equal_distances_are_ties():
    """145 = 1 + 144 = 64 + 81, but not if each is divided by 225 first."""
    masks, share = torch.zeros(2, 1, 16, 16, dtype=torch.float64)
    for y, x in ((1, 12), (8, 9), (9, 8), (12, 1)):
        masks[0, y, x] = 1
    share[0, 0, 0] = 1
    plan = puzzle_plan(masks, share)
    assert plan[0, 0].nonzero().tolist() == [[16 + 12]]  # first in the rows


@pytest.mark.parametrize('value', [0., .5, 1.])
def test_nothing_moves_where_all_places_are_alike(value):
    _, share = case(4)
    share[0, 1, 2] = 0  # without saliency, but visible: it stays
    plan = puzzle_plan(torch.full_like(share, value), share)
    assert torch.equal(plan, torch.eye(16).double().expand(6, -1, -1))


def test_single_precision_and_one_patch():
    masks, share = case(8)
    plan = puzzle_plan(masks.float(), share.float())
    assert plan.dtype == torch.float32
    for image in range(6):
        wanted = auction(masks[image].tolist(), share[image].float().tolist())
        assert torch.equal(plan[image].double(), wanted)
    one = torch.ones(2, 1, 1)
    assert torch.equal(puzzle_plan(one, one), one)


def mix_by_loops(own, partner, mask, s_own, s_partner, t_eps, side):
    """One pair of images; ``side`` is that of a patch."""
    size, n = own.shape[-1], len(mask)
    count = size // side
    fine = [[mask[y * n // count, x * n // count].item()
             for x in range(count)] for y in range(count)]
    moved = []
    for image, saliency, shown in (
            (own, s_own, fine),
            (partner, s_partner, [[1 - m for m in row] for row in fine])):
        share = torch.stack([torch.stack([
            saliency[y * side:(y + 1) * side, x * side:(x + 1) * side].mean()
            for x in range(count)]) for y in range(count)])
        plan = auction(shown, (share / share.sum()).tolist(), t_eps)
        out = torch.zeros_like(image)
        for i, j in plan.nonzero().tolist():
            (y, x), (v, u) = divmod(i, count), divmod(j, count)
            out[:, v * side:(v + 1) * side, u * side:(u + 1) * side] = image[
                :, y * side:(y + 1) * side, x * side:(x + 1) * side]
        moved.append(out)
    pixels = torch.tensor([[mask[y * n // size, x * n // size]
                            for x in range(size)] for y in range(size)])
    return pixels * moved[0] + (1 - pixels) * moved[1]


@pytest.mark.parametrize('n, t_size, side', [
    (2, -1, 6), (2, 3, 3), (2, 2, 2), (3, 2, 2), (3, 4, 4), (3, 9, 4),
    (6, -1, 2)])
def test_mixes_by_loops(n, t_size, side):
    images = torch.randn(3, 2, 12, 12, dtype=torch.float64) * 50
    saliency = torch.rand(3, 12, 12, dtype=torch.float64)**6
    perm = torch.tensor([2, 0, 1])
    masks = torch.randint(3, (3, n, n)).double() / 2
    copies = [x.clone() for x in (images, saliency, perm, masks)]
    mixed, weight = puzzle_mix(images, perm, masks, saliency, t_eps=.05,
                               t_size=t_size)
    for i, j in enumerate(perm):
        wanted = mix_by_loops(images[i], images[j], masks[i], saliency[i],
                              saliency[j], .05, side)
        torch.testing.assert_close(mixed[i], wanted, rtol=0, atol=1e-13)
        assert weight[i] == sum(masks[i].flatten().tolist()) / n**2
    for now, before in zip((images, saliency, perm, masks), copies):
        assert torch.equal(now, before)


def test_without_saliency_masks_alone_decide():
    images = torch.rand(2, 3, 6, 6)
    masks = torch.tensor([[[1., 0], [.5, 1]], [[0, 0], [0, 0]]])
    mixed, weight = puzzle_mix(images, torch.tensor([1, 0]), masks)
    assert mixed.dtype == torch.float32
    assert weight.tolist() == [.625, 0]
    assert torch.equal(mixed[1], images[0])
    assert torch.equal(mixed[0, :, :3, :3], images[0, :, :3, :3])
    assert torch.equal(mixed[0, :, :3, 3:], images[1, :, :3, 3:])
    torch.testing.assert_close(mixed[0, :, 3:, :3],
                               images[:, :, 3:, :3].mean(0))


def test_identical_images_stay():
    images = torch.rand(1, 3, 8, 8).expand(2, -1, -1, -1)
    masks = torch.rand(2, 4, 4).round()
    mixed, _ = puzzle_mix(images, torch.tensor([1, 0]), masks)
    assert torch.equal(mixed, images)


def test_zero_saliency_moves_nothing():
    images = torch.rand(2, 3, 8, 8)
    masks = torch.rand(2, 4, 4).round()
    perm = torch.tensor([1, 0])
    still, _ = puzzle_mix(images, perm, masks)
    mixed, _ = puzzle_mix(images, perm, masks, torch.zeros(2, 8, 8), t_size=1)
    assert torch.equal(mixed, still)


def test_the_order_of_the_batch_does_not_matter():
    images, saliency = torch.rand(3, 1, 8, 8), torch.rand(3, 8, 8)**6
    masks, perm = torch.rand(3, 4, 4).round(), torch.tensor([2, 0, 1])
    order = torch.tensor([1, 2, 0])
    mixed, weight = puzzle_mix(images, perm, masks, saliency, t_eps=.05)
    moved, heavy = puzzle_mix(
        images[order], order.argsort()[perm[order]], masks[order],
        saliency[order], t_eps=.05)
    assert torch.equal(moved, mixed[order])
    assert torch.equal(heavy, weight[order])


@pytest.mark.parametrize('size, n, t_size, message', [
    ((8, 6), 2, -1, '8 x 6 pixels'), ((8, 8), 3, -1, '3 blocks'),
    ((12, 12), 2, 4, 't_size=4 and blocks of 6 x 6'),
    ((8, 8), 2, 0, 't_size=0'), ((8, 8), 2, -2, 't_size=-2')])
def test_sizes_that_do_not_fit(size, n, t_size, message):
    with pytest.raises(ValueError, match=message):
        puzzle_mix(torch.rand(2, 3, *size), torch.tensor([1, 0]),
                   torch.ones(2, n, n), torch.rand(2, *size), t_size=t_size)


def test_plans_of_different_shapes():
    with pytest.raises(ValueError, match=r'\(2, 4, 4\) and \(2, 2, 2\)'):
        puzzle_plan(torch.ones(2, 4, 4), torch.ones(2, 2, 2))


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_images_without_a_saliency_change_no_others(value):
    """The rounds of an auction end when all images are settled."""
    masks, share = case(4)
    expected = puzzle_plan(masks, share)
    share[2, 1, 3] = value
    others = [0, 1, 3, 4, 5]
    assert torch.equal(puzzle_plan(masks, share)[others], expected[others])


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int64])
def test_integers_are_refused(dtype):
    """A mask of one half would become 0."""
    images = torch.full((2, 3, 8, 8), 100, dtype=dtype)
    with pytest.raises(ValueError, match=str(dtype)):
        puzzle_mix(images, torch.tensor([1, 0]), torch.full((2, 2, 2), .5))
