"""Configs and models that come with the package."""
import pytest
import yaml
from mmengine.config import Config

import alignmix_mm
from alignmix_mm import _registration, shipped


def test_the_citation_has_this_version(root):
    citation = yaml.safe_load((root / 'CITATION.cff').read_text())
    assert citation['version'] == alignmix_mm.__version__


def test_configs_of_a_checkout(root, tmp_path):
    assert shipped.shipped() == root
    name = 'alignmix_r18_cifar10.py'
    assert alignmix_mm.config_path(name) == str(root / 'configs' / name)
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'alignmix_mm::{name}'\n")
    cfg = Config.fromfile(path)
    assert cfg.model.type == 'AlignMixClassifier'
    assert '_scope_' not in cfg.model


def test_other_packages_are_found_as_before(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'")
    assert Config.fromfile(path).model.backbone.depth == 18


def test_an_unknown_config_is_named():
    with pytest.raises(FileNotFoundError, match='Did you mean demo/alignmix'):
        alignmix_mm.config_path('demo/alignmix_digit.py')
    with pytest.raises(FileNotFoundError, match='All configs are in'):
        alignmix_mm.config_path('something_else')


def test_a_package_without_configs_can_be_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, '__file__', str(tmp_path / 'p' / 'x.py'))
    _registration._add_models(None)
    with pytest.raises(FileNotFoundError, match='--force-reinstall'):
        shipped.shipped()
