"""Classifiers that execute mix plans."""
import copy

from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..mixing import AlignMix, MixBatch
from .necks import AlignMixNeck, MapMixer, note_pooling

_STAGES = ('backbone', 'neck', 'pre_logits')


@MODELS.register_module()
class AlignMixClassifier(ImageClassifier):
    """An ``ImageClassifier`` that can be trained with AlignMix.

    Whatever is no :class:`MixBatch` (validation, test, CutMix drawn from the
    same list) takes the way of the plain classifier, and the keys of its
    ``state_dict`` are the plain classifier's, so checkpoints can be exchanged.

    If the neck is no ``AlignMixNeck``, maps are mixed before it and
    embeddings behind it, with the defaults of ``AlignMixNeck``.

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

    Raises:
        ValueError: If ``AlignMix`` draws a mode that this class cannot
            execute, or if the head computes the training accuracy, which
            mixed labels do not have.
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
                 init_cfg: dict | None = None) -> None:
        # RandomBatchAugment appends to the list of `probs` that it is given
        if isinstance(data_preprocessor, dict):
            data_preprocessor = copy.deepcopy(data_preprocessor)
        super().__init__(backbone, neck, head, pretrained,
                         copy.deepcopy(train_cfg), data_preprocessor, init_cfg)
        self.mixer = None
        if not isinstance(self.neck, AlignMixNeck):
            self.mixer = MapMixer()
        self._check_augments()

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
            return super().extract_feat(inputs, stage)
        if stage not in _STAGES:
            raise ValueError(f'Expected `stage` to be one of {_STAGES}, but '
                             f'got {stage!r}.')
        plan = inputs.plan
        self._check_modes([plan.mode])
        x = self.backbone(inputs.images)
        if stage == 'backbone':
            return x
        if self.mixer is None:
            x = self.neck(x, plan)
        else:
            x = self.mixer(x, plan, self.neck if self.with_neck else _same)
        return x if stage == 'neck' else self.head.pre_logits(x)

    def _check_augments(self) -> None:
        drawer = getattr(self.data_preprocessor, 'batch_augments', None)
        plans = [
            augment for augment in getattr(drawer, 'augments', [])
            if isinstance(augment, AlignMix)
        ]
        for augment in plans:
            self._check_modes(augment.modes)
        if plans and getattr(self.head, 'cal_acc', False):
            raise ValueError(
                'Expected `head.cal_acc=False` with AlignMix, but got True: '
                'mixed labels have no single right class.')
        if plans and self.mixer is not None:
            note_pooling(self.neck, self.mixer)

    def _check_modes(self, modes) -> None:
        unknown = sorted(set(modes) - self.executes)
        if unknown:
            raise ValueError(
                f'AlignMix draws modes {unknown}, but {type(self).__name__} '
                f"executes {sorted(self.executes)}. 'clean' reconstructs "
                'images and needs a decoder; leave it out of `modes`.')


def _same(feats: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return feats
