"""What the README shows works."""
import re

import pytest
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import alignmix_mm

TEXT = (ROOT / 'README.md').read_text()
BLOCKS = re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)
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


def test_files_and_configs_it_names_exist():
    for name in re.findall(r'\]\(([\w/.]+)\)', TEXT):
        assert (ROOT / name).exists(), name
    for name in re.findall(r'(?:python|bash) ((?:tools|benchmarks)/[\w./]+)',
                           TEXT):
        assert (ROOT / name).is_file(), name
    configs = re.findall(r'`([\w/*]+\.py)`', TEXT.split('| configs |')[1])
    for name in configs:
        assert list((ROOT / 'configs').glob(name)), name
    targets = set(re.findall(r'^make (\w+)', TEXT, re.MULTILINE))
    assert targets <= set(re.findall(r'^([\w-]+):', (
        ROOT / 'Makefile').read_text(), re.MULTILINE))
