"""The config lines of README and docs work."""
import re

import pytest
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import alignmix_mm

TEXT = (ROOT / 'README.md').read_text()
PAGES = [TEXT, *((ROOT / 'docs' / f'{name}.md').read_text()
                 for name in ('inside_backbone', 'autoencoder'))]
BLOCKS = [block for page in PAGES
          for block in re.findall(r'```python\n(.*?)```', page, re.DOTALL)]
MODEL_BLOCKS = [block for block in BLOCKS if 'model = dict(' in block]


@pytest.mark.parametrize(
    'block', MODEL_BLOCKS,
    ids=['ten_lines', 'two_lines', 'inside', 'autoencoder'])
def test_config_lines_build(block, tmp_path):
    if '_base_' not in block:
        block = "_base_ = ['mmpretrain::resnet/resnet50_8xb32_in1k.py']\n" + (
            block)
    path = tmp_path / 'config.py'
    path.write_text(block)
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(
        {**cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    assert isinstance(model, alignmix_mm.AlignMixClassifier)
    augment, = model.data_preprocessor.batch_augments.augments
    assert isinstance(augment, alignmix_mm.AlignMix)


def test_configs_and_targets_that_are_named_exist():
    table = (ROOT / 'docs' / 'configs.md').read_text()
    configs = re.findall(r'`([\w/*]+\.py)`', table.split('| configs |')[1])
    assert len(configs) > 5
    for name in configs:
        assert list((ROOT / 'configs').glob(name)), name
    targets = set(re.findall(r'\bmake ([\w-]+)', TEXT))
    assert {'demo', 'test', 'docs'} <= targets <= set(re.findall(
        r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
