"""Classifiers that execute mix plans."""
import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..mixing import AlignMix, MixBatch, MixPlan
from .cam import CAMClassifier
from .effect import (
    Alignment,
    EffectReport,
    alignment_effect,
    bypass_share,
    measure_alignment,
    without_trace,
)
from .labels import guard_labels
from .mixer import MapMixer
from .necks import AlignMixNeck
from .places import MixPlace, MixPlaces
from .shapes import Features, check_width

_NO_NECK = nn.Identity()
_STAGES = ('backbone', 'neck', 'pre_logits')


@MODELS.register_module()
class AlignMixClassifier(CAMClassifier):
    """An ``ImageClassifier`` that can be trained with AlignMix.

    Whatever is no :class:`MixBatch` (validation, test, CutMix drawn from the
    same list) takes the way of the plain classifier, and the keys of its
    ``state_dict`` are the plain classifier's, so checkpoints can be exchanged.

    Feature maps are mixed before the neck, or inside the backbone
    (``mix_at``); embeddings behind the neck. If the neck is an
    ``AlignMixNeck``, its options say how.

    The first time that features are mixed at a place, the log says by how
    much alignment changes the embedding, and warns if some of it goes past
    the place. These few forward passes leave no trace in the network.

    Args:
        backbone (dict | nn.Module): The stage-1 encoder F.
        neck (dict | nn.Module, optional): The stage-2 encoder f. Defaults to
            None.
        head (dict | nn.Module, optional): The classifier g. Defaults to
            None.
        pretrained (str, optional): Checkpoint to start from. Defaults to
            None.
        train_cfg (dict, optional): ``augments`` (list of batch
            augmentations, ``dict(type='AlignMix')`` among them) and
            ``probs``. Defaults to None.
        data_preprocessor (dict | nn.Module, optional): See
            ``ImageClassifier``. Defaults to None.
        init_cfg (dict, optional): Initialization config. Defaults to None.
        mix_at (str | Sequence[str | None], optional): Where modes ``'feat'``
            and ``'feat_swap'`` mix: behind the module of the backbone with
            this dotted path, e.g. ``'layer4.0'``, before the last block of a
            ResNet-18. It has to return a map ``(B, C, H, W)`` or tokens
            ``(B, N, C)``. One of several places is drawn in every step, each
            as likely. Defaults to None, which is before the neck.
        mixer (dict, optional): Options of :class:`MapMixer`, e.g.
            ``dict(align=False)`` for Manifold mixup. Defaults to None, its
            defaults. An ``AlignMixNeck`` has options of its own.
        num_extra_tokens (int, optional): Number of class and distillation
            tokens before the patch tokens; they are mixed without alignment.
            Defaults to None: what the backbone says.
        **kwargs: ``cam`` and ``adl``, see :class:`CAMClassifier`.

    Raises:
        ValueError: If ``AlignMix`` draws a mode that this class cannot
            execute, if there is no place ``mix_at``, if the head computes
            the training accuracy, which mixed labels do not have, or if head
            and preprocessor have other numbers of classes.
    """

    #: Modes of :class:`AlignMix` that this class executes.
    executes = frozenset({'input', 'embed', 'feat', 'feat_swap'})

    def __init__(self,
                 backbone: dict | nn.Module,
                 neck: dict | nn.Module | None = None,
                 head: dict | nn.Module | None = None,
                 pretrained: str | None = None,
                 train_cfg: dict | None = None,
                 data_preprocessor: dict | nn.Module | None = None,
                 init_cfg: dict | None = None,
                 mix_at: str | Sequence[str | None] | None = None,
                 mixer: dict | None = None,
                 num_extra_tokens: int | None = None,
                 **kwargs) -> None:
        # RandomBatchAugment appends to the list of `probs` that it is given
        if isinstance(data_preprocessor, dict):
            data_preprocessor = copy.deepcopy(data_preprocessor)
        super().__init__(backbone, neck, head, pretrained,
                         copy.deepcopy(train_cfg), data_preprocessor, init_cfg,
                         **kwargs)
        if isinstance(self.neck, AlignMixNeck):
            if mixer is not None:
                raise ValueError(
                    'Expected no `mixer` beside an AlignMixNeck, which has '
                    'the options of the transport itself, but got '
                    f'{dict(mixer)}. Set them in `neck`.')
            self.mixer = self.neck.mixer
        else:
            self.mixer = MapMixer(**(mixer or {}))
        self.places = MixPlaces(mix_at, self.backbone, self.mixer,
                                num_extra_tokens)
        self._report_effect = EffectReport()
        self._check_augments()
        guard_labels(self.data_preprocessor, self.head)

    def extract_feat(self,
                     inputs: Tensor | MixBatch,
                     stage: str = 'neck') -> Tensor | tuple[Tensor, ...]:
        """Extract features, mixing them if the batch carries a plan.

        Args:
            inputs (Tensor | MixBatch): Images ``(N, C, H, W)``, or images
                with a plan.
            stage (str): ``'backbone'``, ``'neck'`` or ``'pre_logits'``.
                Defaults to ``'neck'``.

        Returns:
            Tensor | tuple[Tensor]: See ``ImageClassifier.extract_feat``.
        """
        if not isinstance(inputs, MixBatch):
            with self.places.mixing(self.backbone, None):
                return super().extract_feat(inputs, stage)
        if stage not in _STAGES:
            raise ValueError(f'Expected `stage` to be one of {_STAGES}, but '
                             f'got {stage!r}.')
        images, plan = inputs.images, inputs.plan
        self._check_modes([plan.mode])
        if self.training and plan.mixes_features and self.mixer.align:
            self._report(inputs)
        with self.places.mixing(self.backbone, plan) as place:
            x = self.backbone(images)
        if stage == 'backbone':
            return x
        x = self._embed(x, plan, place)
        return x if stage == 'neck' else self.head.pre_logits(x)

    def loss(self, inputs: Tensor | MixBatch,
             data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Classification of images, mixed if they carry a plan.

        Args:
            inputs (Tensor | MixBatch): Images ``(N, C, H, W)``, or images
                with a plan.
            data_samples (list[DataSample]): Their labels.

        Returns:
            dict[str, Tensor]: What the head returns, e.g. ``loss``.

        Raises:
            ValueError: If embeddings do not fit the head.
        """
        embedding = self.extract_feat(inputs)
        self._check_width(embedding)
        return self.head.loss(embedding, data_samples)

    def measure_effect(self, batch: MixBatch) -> Tensor:
        """By how much alignment changes the embeddings of a batch.

        Args:
            batch (MixBatch): Images with a plan that mixes features.

        Returns:
            Tensor: See :func:`alignment_effect`.
        """
        return self._measure(alignment_effect, batch)

    def measure_bypass(self, batch: MixBatch) -> Tensor:
        """How much of the embeddings goes past the place where maps are mixed.

        Args:
            batch (MixBatch): Images with a plan that mixes features.

        Returns:
            Tensor: See :func:`bypass_share`.
        """
        return self._measure(bypass_share, batch)

    def measure_alignment(self, batch: MixBatch) -> Alignment | None:
        """Which position takes which in a batch, to look at.

        Takes a forward pass, which leaves no trace in the network.

        Args:
            batch (MixBatch): Images with a plan.

        Returns:
            Alignment, optional: None if the plan aligns no map.
        """
        return self._measure(measure_alignment, batch)

    def _measure(self, function: Callable, batch: MixBatch) -> Any:
        def embed(plan: MixPlan) -> Features:
            with self.places.mixing(self.backbone, plan) as place:
                # past the hooks of users, who count or record passes
                x = self.backbone.forward(batch.images)
            return self._embed(x, plan, place)

        with without_trace(self):
            return function(embed, self.mixer, batch.plan)

    def _embed(self, feats: Features, plan: MixPlan,
               place: MixPlace | None) -> Features:
        if place is not None:  # features are mixed already
            plan = None
        if isinstance(self.neck, AlignMixNeck):
            return self.neck(feats, plan)
        return self.mixer(feats, plan,
                          self.neck if self.with_neck else _NO_NECK)

    @torch.compiler.disable
    def _report(self, batch: MixBatch) -> None:
        place = self.places.choose(batch.plan)
        self._report_effect(None if place is None else place.name,
                            lambda: self.measure_effect(batch),
                            lambda: self.measure_bypass(batch))

    def _check_augments(self) -> None:
        drawer = getattr(self.data_preprocessor, 'batch_augments', None)
        plans = [augment for augment in getattr(drawer, 'augments', [])
                 if isinstance(augment, AlignMix)]
        for augment in plans:
            self._check_modes(augment.modes)
        if plans and getattr(self.head, 'cal_acc', False):
            raise ValueError(
                'Expected `head.cal_acc=False` with AlignMix, but got True: '
                'mixed labels have no single right class.')

    def _check_width(self, embedding: Features) -> None:
        check_width(embedding, self.head)

    def _check_modes(self, modes: Iterable[str]) -> None:
        unknown = sorted(set(modes) - self.executes)
        if unknown:
            raise ValueError(
                f'AlignMix draws modes {unknown}, but {type(self).__name__} '
                f"executes {sorted(self.executes)}. 'clean' reconstructs "
                'images: leave it out of `modes`, or take '
                'AlignMixAEClassifier, which has a decoder.')
