"""The classifier that executes plans of mixing."""
import copy
from collections.abc import Sequence

from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..mixing import MixBatch, MixPlan, PendingPlan
from .auto import find_place
from .effect import MeasuresAlignment
from .evidence import Completion
from .labels import guard_labels
from .localization import ActivationMaps, attach_adl
from .methods import check_decoder, guard_methods, methods_of
from .mixer import MapMixer
from .necks import AlignMixNeck
from .places import MixPlaces
from .report import EffectReport
from .shapes import Features, check_width

_NO_NECK = nn.Identity()
_STAGES = ('backbone', 'neck', 'pre_logits')


@MODELS.register_module()
class AlignMixClassifier(MeasuresAlignment, ImageClassifier):
    """An ``ImageClassifier`` that executes plans of mixing.

    Whatever is no :class:`MixBatch` (validation, test, CutMix drawn from the
    same list) takes the way of the plain classifier, and the keys of its
    ``state_dict`` are the plain classifier's, so checkpoints can be exchanged.

    Feature maps are mixed before the neck, or inside the backbone
    (``mix_at``); embeddings after the neck. If the neck is an
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
        mix_at (str | Sequence[str | None], optional): Where features are
            mixed, if the method does not say so: after the module of the
            backbone with this dotted path. It has to return a map
            ``(B, C, H, W)`` or tokens ``(B, N, C)``. ``'auto'`` is the last
            place at which alignment matters: the neck if it sees positions,
            else before the last block of the backbone. One of several places
            is drawn in every step, each as likely. Defaults to None, which
            is before the neck.
        mixer (dict, optional): Options of :class:`MapMixer`, e.g.
            ``dict(eps=0.05)``, for methods that do not say how to align.
            Defaults to None, its defaults. An ``AlignMixNeck`` has options
            of its own.
        channels_last (bool): Whether maps at places inside the backbone are
            ``(B, H, W, C)``, as in Swin V2 of timm. Defaults to False.
        num_extra_tokens (int, optional): Number of class and distillation
            tokens before the patch tokens; they are mixed without alignment.
            Defaults to None: what the backbone says.
        cam (str, optional): See :class:`CAMClassifier`. Defaults to None.
        adl (dict, optional): See :class:`CAMClassifier`. Defaults to None.

    Raises:
        ValueError: If a method reconstructs images, which takes a decoder,
            if there is no place of the names given, if the head cannot be
            trained with mixed labels, or if head and preprocessor have other
            numbers of classes.
    """

    #: Whether there is a decoder, for plans that train no classifier.
    reconstructs = False

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
                 channels_last: bool = False,
                 cam: str | None = None,
                 adl: dict | None = None) -> None:
        # RandomBatchAugment appends to the list of `probs` that it is given
        if isinstance(data_preprocessor, dict):
            data_preprocessor = copy.deepcopy(data_preprocessor)
        super().__init__(backbone, neck, head, pretrained,
                         copy.deepcopy(train_cfg), data_preprocessor, init_cfg)
        self.mixer = self._make_mixer(mixer)
        methods = methods_of(self.data_preprocessor)
        self.places = MixPlaces(
            mix_at, self.backbone,
            [name for method in methods for name in method.at or ()],
            num_extra_tokens=num_extra_tokens, channels_last=channels_last)
        self.completion = Completion()
        self.cam = cam
        self.maps = None if cam is None else ActivationMaps(self, cam)
        if adl is not None:
            self.adl = attach_adl(self.backbone, **adl)
        self._report_effect = EffectReport()
        guard_methods(methods, self)
        guard_labels(self.data_preprocessor, self.head)

    def _make_mixer(self, options: dict | None) -> MapMixer:
        if not isinstance(self.neck, AlignMixNeck):
            return MapMixer(**(options or {}))
        if options is not None:
            raise ValueError(
                'Expected no `mixer` beside an AlignMixNeck, which has '
                'the options of the transport itself, but got '
                f'{dict(options)}. Set them in `neck`.')
        return self.neck.mixer

    def extract_feat(self,
                     inputs: Tensor | MixBatch,
                     stage: str = 'neck') -> Tensor | tuple[Tensor, ...]:
        """Extract features, mixing them if the batch carries a plan.

        Args:
            inputs (Tensor | MixBatch): Images ``(N, C, H, W)``, or images
                with a complete plan.
            stage (str): ``'backbone'``, ``'neck'`` or ``'pre_logits'``.
                Defaults to ``'neck'``.

        Returns:
            Tensor | tuple[Tensor]: See ``ImageClassifier.extract_feat``.
        """
        if stage not in _STAGES:
            raise ValueError(f'Expected `stage` to be one of {_STAGES}, but '
                             f'got {stage!r}.')
        images, plan = inputs, None
        if isinstance(inputs, MixBatch):
            images, plan = inputs.images, self._complete_options(inputs)
            self._report_effect(self, images, plan)
        x, rest = self.places.run(self.backbone, self.backbone, images, plan)
        if stage == 'backbone':
            return x
        x = self._embed(x, rest)
        return x if stage == 'neck' else self.head.pre_logits(x)

    def loss(self, inputs: Tensor | MixBatch,
             data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Losses of images, mixed if they carry a plan.

        Args:
            inputs (Tensor | MixBatch): Images ``(N, C, H, W)``, or images
                with a plan. If it is pending, the gradient of the loss is
                computed first.
            data_samples (list[DataSample]): Their labels.

        Returns:
            dict[str, Tensor]: What the head returns, e.g. ``loss``, and
            ``loss_clean`` if a plan asks for it.

        Raises:
            ValueError: If embeddings do not fit the head.
        """
        losses: dict[str, Tensor] = {}
        if isinstance(inputs, MixBatch) and isinstance(inputs.plan,
                                                       PendingPlan):
            inputs, data_samples, losses = self.completion(
                self, inputs, data_samples)
        embedding = self.extract_feat(inputs)
        self._check_width(embedding)
        return {**self._losses(inputs, embedding, data_samples), **losses}

    def predict(self,
                inputs: Tensor,
                data_samples: list[DataSample] | None = None,
                **kwargs) -> list[DataSample]:
        """Predict, with class activation maps if ``cam`` says so.

        Args:
            inputs (Tensor): Images ``(N, C, H, W)``.
            data_samples (list[DataSample], optional): Their annotations.
                Defaults to None.
            **kwargs: See ``ImageClassifier.predict``.

        Returns:
            list[DataSample]: See :class:`CAMClassifier`.
        """
        if self.maps is None:
            return super().predict(inputs, data_samples, **kwargs)
        return self.maps.predict(self, inputs, data_samples, **kwargs)

    def _complete_options(self, batch: MixBatch) -> MixPlan:
        plan = batch.plan
        if isinstance(plan, PendingPlan):
            raise ValueError(
                f'The plan of {plan.tag!r} needs the gradient of the loss: '
                'call `loss()` with labels.')
        check_decoder(not plan.classifies, self)
        return self.places.complete(self.mixer.complete(plan), lambda:
                                    find_place(self, batch.images))

    def _losses(self, inputs: Tensor | MixBatch, embedding: Features,
                data_samples: list[DataSample]) -> dict[str, Tensor]:
        return self.head.loss(embedding, data_samples)

    def _embed(self, feats: Features, plan: MixPlan | None) -> Features:
        if isinstance(self.neck, AlignMixNeck):
            return self.neck(feats, plan)
        return self.mixer(feats, plan,
                          self.neck if self.with_neck else _NO_NECK)

    def _check_width(self, embedding: Features) -> None:
        check_width(embedding, self.head)
