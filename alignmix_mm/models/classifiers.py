"""The classifier that executes plans of mixing."""
import copy
from collections.abc import Sequence
from typing import Any

from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..mixing import MixBatch, MixMethod, MixPlan, PendingPlan
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

    Any input that is not a :class:`MixBatch` (validation, test, CutMix drawn
    from the same list) follows the plain classifier's path. The ``state_dict``
    has the plain classifier's keys, so checkpoints can be exchanged.

    Feature maps are mixed before the neck, or inside the backbone
    (``mix_at``); embeddings are mixed after the neck. The options of an
    ``AlignMixNeck`` say how to mix.

    When features are mixed at a place for the first time, the log says how
    much alignment changes the embedding, and warns if part of it bypasses the
    place. These few forward passes leave no trace in the network.

    Args:
        backbone (dict | nn.Module): The stage-1 encoder F.
        neck (dict | nn.Module, optional): The stage-2 encoder f. Defaults to
            None.
        head (dict | nn.Module, optional): The classifier g. Defaults to
            None.
        pretrained (str, optional): Checkpoint to start from. Defaults to
            None.
        train_cfg (dict, optional): ``augments`` (list of batch
            augmentations, including ``dict(type='AlignMix')``) and
            ``probs``. Defaults to None.
        data_preprocessor (dict | nn.Module, optional): See
            ``ImageClassifier``. Defaults to None.
        init_cfg (dict, optional): Initialization config. Defaults to None.
        mix_at (str | Sequence[str | None], optional): Where features are
            mixed, unless the method names a place: after the module of the
            backbone with this dotted path. The module has to return a map
            ``(B, C, H, W)`` or tokens ``(B, N, C)``. ``'auto'`` is the last
            place where alignment matters: the neck if it sees positions,
            else before the last block of the backbone. Of several places,
            one is drawn uniformly in every step. Defaults to None, which is
            before the neck.
        mixer (dict, optional): Options of :class:`MapMixer`, e.g.
            ``dict(eps=0.05)``, for methods without options of their own.
            Defaults to None, the defaults of :class:`MapMixer`. Do not set it
            with an ``AlignMixNeck``, which has these options itself.
        num_extra_tokens (int, optional): Number of class and distillation
            tokens before the patch tokens; they are mixed without alignment.
            Defaults to None: the number that the backbone declares.
        channels_last (bool): Whether maps at places inside the backbone are
            ``(B, H, W, C)``, as in Swin V2 of timm. Defaults to False.
        cam (str, optional): See :class:`CAMClassifier`. Defaults to None.
        adl (dict, optional): See :class:`CAMClassifier`. Defaults to None.

    Raises:
        ValueError: If a method reconstructs images, which needs a decoder, if
            a named place does not exist, if the head cannot be trained with
            mixed labels, or if head and preprocessor disagree on the number
            of classes.
    """

    #: Whether there is a decoder, for plans that do not train the classifier.
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
        self._guarded: list[MixMethod] = []
        self._guard_methods()
        # hooks such as SwitchRecipeHook install others during a run
        self.data_preprocessor.register_forward_pre_hook(self._guard_methods)
        guard_labels(self.data_preprocessor, self.head)

    def _guard_methods(self, *_: Any) -> None:
        """Check the methods that it has not seen yet."""
        found = [method for method in methods_of(self.data_preprocessor)
                 if all(method is not seen for seen in self._guarded)]
        guard_methods(found, self)
        self._guarded += found

    def _make_mixer(self, options: dict | None) -> MapMixer:
        if not isinstance(self.neck, AlignMixNeck):
            return MapMixer(**(options or {}))
        if options is not None:
            raise ValueError(
                'Expected no `mixer` with an AlignMixNeck, which has the '
                f'options of the transport itself, but got {dict(options)}. '
                'Set them in `neck`.')
        return self.neck.mixer

    def extract_feat(self,
                     inputs: Tensor | MixBatch,
                     stage: str = 'neck') -> Tensor | tuple[Tensor, ...]:
        """Extract features, mixing them if the batch carries a plan.

        Args:
            inputs (Tensor | MixBatch): Images ``(N, C, H, W)``, floating
                point, or images with a complete plan.
            stage (str): ``'backbone'``, ``'neck'`` or ``'pre_logits'``.
                Defaults to ``'neck'``.

        Returns:
            Tensor | tuple[Tensor]: See ``ImageClassifier.extract_feat``.

        Raises:
            ValueError: If the stage is unknown, or the plan is pending or
                does not fit the model.
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
            inputs (Tensor | MixBatch): Images ``(N, C, H, W)``, floating
                point, or images with a plan. If the plan is pending, the
                gradient of the loss is computed first.
            data_samples (list[DataSample]): Labels of the images.

        Returns:
            dict[str, Tensor]: The output of the head, e.g. ``loss``, and
            ``loss_clean`` if the plan asks for it; ``()`` each.

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
        """Predict, with class activation maps if ``cam`` is set.

        Args:
            inputs (Tensor): Images ``(N, C, H, W)``, floating point.
            data_samples (list[DataSample], optional): Annotations of the
                images. Defaults to None.
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
