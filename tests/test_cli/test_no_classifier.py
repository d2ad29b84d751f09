"""Networks that do not predict classes are refused in one line."""
import pytest
import torch
from commands import alignmix
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from mmpretrain.models.heads import ClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from small_classifier import config, network, save
from small_run import write_images

from alignmix_mm.cli.common.scores import (
    class_scores,
    require_classifier,
    require_predictions,
)

TASK = dict(type='LinearClsHead', num_classes=2, in_channels=32)
BARLOW = dict(
    type='BarlowTwins', data_preprocessor=dict(
        type='SelfSupDataPreprocessor'),
    neck=dict(type='NonLinearNeck', in_channels=32, hid_channels=8,
              out_channels=8),
    head=dict(type='LatentCrossCorrelationHead', in_channels=8,
              loss=dict(type='CrossCorrelationLoss')))
# what the network is, and its name in the message
NETWORKS = {
    'several tasks': (dict(head=dict(
        type='MultiTaskHead', task_heads=dict(a=TASK, b=TASK))),
        'ImageClassifier with the head MultiTaskHead'),
    'no head': (dict(head=None), 'ImageClassifier without a head'),
    'contrastive': (dict(head=dict(
        type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'))),
        'ImageClassifier with the head ContrastiveHead'),
    'pretraining': (BARLOW, 'BarlowTwins with the head Latent'),
}


def config_of(images, name):
    cfg = config(images)
    backbone = cfg.model.backbone
    cfg.model = dict(type='ImageClassifier',
                     neck=dict(type='GlobalAveragePooling'))
    cfg.model.update(NETWORKS[name][0])
    cfg.model.backbone = backbone
    return cfg


def build(cfg):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build({
            'data_preprocessor': cfg.data_preprocessor, **cfg.model})


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """An image, and a checkpoint of each network."""
    path = tmp_path_factory.mktemp('no_classifier')
    write_images(path / 'images', 1)
    for name in NETWORKS:
        cfg = config_of(path / 'images', name)
        save(path / f'{name}.pth', cfg, build(cfg))
    return path


@pytest.mark.parametrize('name', NETWORKS)
def test_predict_says_what_the_network_is(folder, name):
    output = alignmix('predict', folder / f'{name}.pth', folder / 'images',
                      code=1)
    assert NETWORKS[name][1] in output and 'Traceback' not in output
    assert len(output.strip().splitlines()) == 1


def test_so_does_export(folder, tmp_path):
    pytest.importorskip('onnx')
    output = alignmix('export', folder / 'several tasks.pth', '--onnx',
                      tmp_path / 'x.onnx', code=1)
    assert 'with the head MultiTaskHead' in output


def test_a_test_needs_predictions_of_any_kind(folder):
    model = build(config_of(folder / 'images', 'several tasks'))
    require_predictions(model)
    with pytest.raises(ValueError, match='a score for each class'):
        require_classifier(model)
    for name in 'pretraining', 'no head':
        with pytest.raises(ValueError, match=NETWORKS[name][1]):
            require_predictions(build(config_of(folder / 'images', name)))
    output = alignmix('test', folder / 'no head.pth', code=1)
    assert 'ImageClassifier without a head' in output.splitlines()[-1]


class Silent(BaseModule):
    """A head whose predictions have labels only."""

    def forward(self, feats):
        return feats[-1]

    def predict(self, feats, data_samples=None):
        return [DataSample().set_pred_label(0) for _ in feats[-1]]


class Shifted(ClsHead):
    """A head of the user's own, which predicts scores."""

    def forward(self, feats):
        return feats[-1].flatten(1)[:, :5] + 1


def test_heads_of_ones_own(tmp_path):
    model = network(config(tmp_path))
    data = dict(inputs=torch.zeros(3, 3, 24, 24))
    expected = class_scores(model, data)
    assert expected.shape == (3, 3)
    assert torch.allclose(expected.sum(1), torch.ones(3))
    model.head = Shifted()
    require_classifier(model)
    assert class_scores(model, data).shape == (3, 5)
    model.head = Silent()
    with pytest.raises(ValueError, match='with the head Silent'):
        class_scores(model, data)
