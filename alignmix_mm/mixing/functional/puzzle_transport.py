"""Transport of PuzzleMix: salient patches move to where they are visible."""
import torch
import torch.nn.functional as F
from torch import Tensor

from ._blocks import block_shares


def puzzle_plan(masks: Tensor, share: Tensor, t_eps: float = .8) -> Tensor:
    r"""Plan of where each patch of an image moves, by an auction.

    For place j, patch i pays the squared distance d, in units of the grid,
    and gets back its saliency share s if the mask m shows the place:

    .. math::
        c_{ij} = t_{eps} \frac{d_{ij}^2}{(N - 1)^2} - s_i 1[m_j > 0]

    In each of N rounds, every patch claims its cheapest place, and the patch
    with the lowest cost wins a place. A losing claim costs 1 more from then
    on. Ties go to the lowest index.

    Args:
        masks (Tensor): ``(B, N, N)``, floating point.
        share (Tensor): Share of each patch in the saliency, ``(B, N, N)``,
            floating point.
        t_eps (float): Price of the distance. Defaults to 0.8.

    Returns:
        Tensor: ``(B, N^2, N^2)``, in the dtype of ``share``: 1 at [b, i, j]
        if patch i won place j in the last round, else 0. A patch has at most
        one place, and a place at most one patch.

    Raises:
        ValueError: If shapes do not match.
    """
    if masks.shape != share.shape or share.shape[1:2] != share.shape[2:]:
        raise ValueError(
            'Expected masks and share of equal shape (B, N, N), but got '
            f'{tuple(masks.shape)} and {tuple(share.shape)}.')
    winners = _auction(masks, share, t_eps)
    patches = winners.shape[1]
    plan = share.new_zeros(len(winners), patches + 1, patches)
    # row `patches` means that no patch won
    return plan.scatter(1, winners[:, None], 1)[:, :-1]


def puzzle_mix(images: Tensor, perm: Tensor, masks: Tensor,
               saliency: Tensor | None = None, *, t_eps: float = .8,
               t_size: int = -1, partners: Tensor | None = None
               ) -> tuple[Tensor, Tensor]:
    """Mix each image with its partner by masks, optionally with transport.

    Args:
        images (Tensor): ``(B, C, S, S)``, floating point, of any scale.
        perm (Tensor): Partner of each image, ``(B, )``, int64.
        masks (Tensor): ``(B, n, n)``, floating point: 1 shows the image
            itself, 0 the partner.
        saliency (Tensor, optional): ``(B, S, S)``, floating point, not
            negative: patches of both images move first. Places that no patch
            won become 0. Defaults to None, no transport.
        t_eps (float): Price of the distance. Defaults to 0.8.
        t_size (int): Side of a patch in pixels. Defaults to -1, the side of
            a block of the mask, which is also the maximum.
        partners (Tensor, optional): The images in their role as partners, like
            ``images``, if they differ, e.g. by noise; partner i is
            ``partners[perm[i]]``. Defaults to None: ``images``.

    Returns:
        tuple[Tensor, Tensor]: Mixed images, like ``images``, and the weight
        of the image's own label, ``(B, )``: the mean of the mask.

    Raises:
        ValueError: If sizes do not match, or images are not floating point.
    """
    if not images.is_floating_point():
        raise ValueError('Expected images of floating point, but got '
                         f'{images.dtype}. Use `.float()`.')
    blocks = masks.shape[-1]
    side = _block_side(images, blocks)
    own, partner = images, (images if partners is None else partners)[perm]
    if saliency is not None:
        split = _patches_per_block(side, t_size)
        seen = _enlarge(masks, split)
        share = block_shares(saliency, blocks * split)
        own, partner = _transport(
            torch.cat((own, partner)), torch.cat((seen, 1 - seen)),
            torch.cat((share, share[perm])), t_eps).chunk(2)
    mask = _enlarge(masks, side)[:, None].to(images.dtype)
    return mask * own + (1 - mask) * partner, masks.mean((1, 2))


@torch.no_grad()
def _auction(masks: Tensor, share: Tensor, t_eps: float) -> Tensor:
    """The patch that won each place, ``(B, N^2)``; N^2 if none did."""
    batch, side, _ = masks.shape
    patches = side**2
    # patches and places are numbered through the batch
    cost = _prices(masks, share, t_eps).flatten(0, 1)
    number = torch.arange(batch * patches, device=cost.device)
    first = number - number % patches
    bid, claim = cost.min(1)
    for turn in range(1, side + 1):
        winners = _cheapest(bid, first + claim, number)
        lost = (winners[first + claim] != number).nonzero()[:, 0]
        if turn == side or not len(lost):  # later rounds change nothing
            break
        cost[lost, claim[lost]] += 1
        bid[lost], claim[lost] = cost[lost].min(1)
    nobody = winners == len(number)
    return torch.where(nobody, patches, winners - first).view(batch, patches)


def _cheapest(bid: Tensor, place: Tensor, number: Tensor) -> Tensor:
    """The first lowest bidder of each place; ``len(number)`` if none."""
    lowest = torch.full_like(bid, torch.inf).scatter_reduce(
        0, place, bid, 'amin')
    able = torch.where(bid == lowest[place], number, len(number))
    return torch.full_like(number, len(number)).scatter_reduce(
        0, place, able, 'amin')


def _prices(masks: Tensor, share: Tensor, t_eps: float) -> Tensor:
    """Cost of every patch (rows) at every place, ``(B, N^2, N^2)``."""
    side = masks.shape[-1]
    line = torch.arange(side, device=masks.device)
    apart = (line[:, None] - line).square()
    # whole numbers: equal distances must stay equal
    distance = (apart[:, None, :, None] + apart[None, :, None, :]).view(
        side**2, side**2)
    # in float64: a penalty of 1 must not round small differences away
    price = t_eps * (distance.double() / max(side - 1, 1)**2)
    reward = share.double().flatten(1)[..., None]
    visible = (masks > 0).double().flatten(1)[:, None]
    return torch.addcmul(price, reward, visible, value=-1)


def _transport(images: Tensor, masks: Tensor, share: Tensor,
               t_eps: float) -> Tensor:
    """Move patches; places that no patch won are 0."""
    winners = _auction(masks, share, t_eps)
    count, side = masks.shape[-1], images.shape[-1] // masks.shape[-1]
    patches = images.unflatten(3, (count, side)).unflatten(2, (count, side))
    # (B, N, N, C, side, side)
    patches = patches.permute(0, 2, 4, 1, 3, 5)
    flat = F.pad(patches.flatten(3).flatten(1, 2), (0, 0, 0, 1))
    moved = flat.gather(1, winners[..., None].expand(-1, -1, flat.shape[2]))
    moved = moved.view(patches.shape).permute(0, 3, 1, 4, 2, 5)
    return moved.reshape(images.shape)


def _enlarge(masks: Tensor, times: int) -> Tensor:
    return masks.repeat_interleave(times, 1).repeat_interleave(times, 2)


def _block_side(images: Tensor, blocks: int) -> int:
    height, width = images.shape[-2:]
    if height != width or height % blocks:
        raise ValueError(
            'Expected square images whose side is a multiple of that of the '
            f'masks, but got {height} x {width} pixels and {blocks} blocks '
            'per side.')
    return height // blocks


def _patches_per_block(side: int, t_size: int) -> int:
    if t_size == -1 or t_size >= side:
        return 1
    if t_size < 1 or side % t_size:
        raise ValueError(
            'Expected `t_size` to be -1 or to divide the side of a block, but '
            f'got t_size={t_size} and blocks of {side} x {side} pixels.')
    return side // t_size
