"""Execution of a mix plan between backbone and head."""
from collections.abc import Callable

import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..mixing import MixPlan
from ..ops import align_and_mix
from ..ops.transport import check_options

Features = Tensor | tuple[Tensor, ...]


class MapMixer(nn.Module):
    """Mix feature maps and embeddings as a plan says. It has no parameters.

    Args:
        align (bool): Whether the partner is aligned to the anchor before
            they are mixed. Defaults to True.
        eps (float): Entropic regularization. Defaults to 0.1.
        solver (str): ``'annealed'`` or ``'log'``. Defaults to
            ``'annealed'``.
        num_iters (int, optional): Budget of the solver. Defaults to None,
            the solver's own.
        tol (float, optional): See :func:`alignmix_mm.ops.assignment`.
            Defaults to None.
        end (str): See :func:`alignmix_mm.ops.assignment`. Defaults to
            ``'row'``.
        backend (str): See :func:`alignmix_mm.ops.assignment`. Defaults to
            ``'auto'``.
    """

    def __init__(self,
                 align: bool = True,
                 eps: float = 0.1,
                 solver: str = 'annealed',
                 num_iters: int | None = None,
                 tol: float | None = None,
                 end: str = 'row',
                 backend: str = 'auto') -> None:
        super().__init__()
        check_options(solver, eps, num_iters, tol, end, backend)
        self.align = align
        self.transport = dict(
            eps=eps, solver=solver, num_iters=num_iters, tol=tol, end=end,
            backend=backend)

    def forward(self, feats: Features, plan: MixPlan | None,
                embed: Callable[[Features], Features]) -> Features:
        """Mix the map, embed, mix the embedding: at most one of the two.

        Args:
            feats (Tensor | tuple[Tensor]): Feature maps, ``(N, C, H, W)``.
            plan (MixPlan, optional): The plan; None embeds and no more.
            embed (Callable): Maps features to embeddings.

        Returns:
            Tensor | tuple[Tensor]: What ``embed`` returns, mixed.
        """
        if plan is not None and plan.mixes_features:
            feats = (self.mix_map(_only_map(feats), plan), )
        embedding = embed(feats)
        if plan is not None and plan.mode == 'embed':
            if isinstance(embedding, Tensor):
                return plan.mix(embedding)
            return tuple(plan.mix(e) for e in embedding)
        return embedding

    def mix_map(self, x: Tensor, plan: MixPlan) -> Tensor:
        """Mix a map, eqs. (12) and (13), or (1) without alignment.

        Args:
            x (Tensor): Map of the whole batch, ``(B, C, H, W)``.
            plan (MixPlan): The plan.

        Returns:
            Tensor: Mixed map, ``(B, C, H, W)``.
        """
        if not self.align:
            return plan.mix(x)
        plan.check_batch(x)
        return align_and_mix(x, x, plan.lam, perm=plan.perm,
                             swap=plan.swaps, **self.transport)

    def extra_repr(self) -> str:
        """Show the options."""
        options = dict(align=self.align, **self.transport)
        return ', '.join(f'{k}={v!r}' for k, v in options.items())


@MODELS.register_module()
class AlignMixNeck(BaseModule):
    """The stage-2 encoder f, with mixing before or behind it.

    Without a plan, i.e. in every evaluation, it is ``embed`` alone.

    Args:
        embed (dict | nn.Module): The encoder f, for example
            ``dict(type='LinearEmbedding', ...)`` or
            ``dict(type='GlobalAveragePooling')``.
        align (bool): Whether feature maps are aligned before they are mixed.
            Defaults to True.
        align_size (int, optional): Average-pool the map to this many rows
            and columns first, in evaluation too; the paper's A is 4x4.
            Defaults to None, the size of the backbone's map.
        eps (float): Entropic regularization of the transport. Defaults to
            0.1.
        solver (str): ``'annealed'``, which converges on real features, or
            ``'log'``, the paper's plain iteration. Defaults to
            ``'annealed'``.
        num_iters (int, optional): Budget of the solver: sweeps of the last
            stage (annealed) or iterations (log). Defaults to None, which is
            40 to 140, growing with the size of the map, and 100.
        tol (float, optional): Early stop of ``solver='log'``; the authors'
            code has 0.1. Defaults to None.
        end (str): Exact marginal of ``solver='log'``, ``'row'`` or
            ``'col'``; the authors' code has ``'col'``. Defaults to
            ``'row'``.
        backend (str): Backend of the transport. Defaults to ``'auto'``.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            None.
    """

    def __init__(self,
                 embed: dict | nn.Module,
                 align: bool = True,
                 align_size: int | None = None,
                 eps: float = 0.1,
                 solver: str = 'annealed',
                 num_iters: int | None = None,
                 tol: float | None = None,
                 end: str = 'row',
                 backend: str = 'auto',
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        if align_size is not None and (not isinstance(align_size, int)
                                       or align_size < 1):
            raise ValueError('Expected `align_size` to be an integer >= 1 or '
                             f'None, but got {align_size!r}.')
        self.align_size = align_size
        self.embed = (embed if isinstance(embed, nn.Module) else
                      MODELS.build(embed))
        self.mixer = MapMixer(align, eps, solver, num_iters, tol, end, backend)
        note_pooling(self.embed, self.mixer)

    def forward(self,
                feats: Features,
                plan: MixPlan | None = None) -> Features:
        """Embed feature maps, mixing as the plan says.

        Args:
            feats (Tensor | tuple[Tensor]): Output of the backbone, maps
                ``(N, C, H, W)``.
            plan (MixPlan, optional): The plan of this step. Defaults to
                None.

        Returns:
            tuple[Tensor]: Output of ``embed``, embeddings ``(N, d)``.
        """
        if self.align_size is not None:
            feats = (F.adaptive_avg_pool2d(_only_map(feats),
                                           self.align_size), )
        return self.mixer(feats, plan, self.embed)


def note_pooling(embed: nn.Module | None, mixer: MapMixer) -> None:
    """Say once that alignment does nothing behind global average pooling.

    The mean of the aligned map is the mean of the partner's, because the
    columns of a converged assignment sum to one.

    Args:
        embed (nn.Module, optional): The module behind the mix.
        mixer (MapMixer): The module that mixes.
    """
    # GlobalAveragePooling and LinearNeck keep their pooling as `gap`
    pools = isinstance(getattr(embed, 'gap', None), nn.AdaptiveAvgPool2d)
    if pools and mixer.align and mixer.transport['solver'] == 'annealed':
        print_log(
            'AlignMix mixes right before global average pooling: there a '
            'converged alignment changes nothing, modes feat and feat_swap '
            'are plain feature mixing. For alignment to matter, embed with '
            "LinearEmbedding: neck=dict(type='AlignMixNeck', embed=dict("
            "type='LinearEmbedding', ...)).",
            logger='current')


def _only_map(feats: Features) -> Tensor:
    maps = (feats, ) if isinstance(feats, Tensor) else tuple(feats)
    if len(maps) != 1:
        raise ValueError(
            f'Expected one feature map to mix, but the backbone returned '
            f'{len(maps)}. Set `backbone.out_indices` to its last stage, or '
            "let AlignMix draw modes=('input', 'embed') only.")
    if not isinstance(maps[0], Tensor) or maps[0].ndim != 4:
        got = getattr(maps[0], 'shape', type(maps[0]).__name__)
        raise ValueError(
            'Expected a feature map (N, C, H, W) to mix, but the backbone '
            f'returned {tuple(got) if isinstance(got, tuple) else got}. Make '
            'it return its last map (`gap_before_final_norm=False` for '
            "ConvNeXt, `out_type='featmap'` for ViT) with a pooling neck, or "
            "let AlignMix draw modes=('input', 'embed') only.")
    return maps[0]
