"""Networks as ONNX."""
import importlib.util
import json

import cv2
import numpy as np
import pytest
import torch
from commands import alignmix
from PIL import Image
from small_classifier import CLASSES, PIPELINE, config, network, save
from small_run import write_images

HEAD = dict(type='LinearClsHead', num_classes=3, in_channels=32)
PLAIN = {'model': dict(
    _delete_=True, type='ImageClassifier',
    backbone=dict(type='PreActResNet_CIFAR', depth=18, base_channels=4,
                  stem_stride=2, last_stride=1),
    neck=dict(type='GlobalAveragePooling'), head=HEAD)}
BGR = {**PLAIN, 'data_preprocessor.to_rgb': False}
# pixels turn to RGB in the pipeline, and stay so
IN_PIPELINE = {**BGR, 'test_dataloader.dataset.pipeline': [
    PIPELINE[0], dict(type='NumpyToPIL', to_rgb=True),
    dict(type='PILToNumpy'), *PIPELINE[1:]]}
NO_MEAN = {**PLAIN, 'data_preprocessor': dict(_delete_=True, to_rgb=True)}
MANY = {**PLAIN, 'model': dict(PLAIN['model'], head=dict(
    type='MultiLabelLinearClsHead', num_classes=3, in_channels=32))}
VIT = {**PLAIN, 'model': dict(
    _delete_=True, type='ImageClassifier', backbone=dict(
        type='VisionTransformer', arch=dict(
            embed_dims=16, num_layers=2, num_heads=2,
            feedforward_channels=32), img_size=24, patch_size=8),
    head=dict(type='VisionTransformerClsHead', num_classes=3,
              in_channels=16))}
TIMM = {**PLAIN, 'model': dict(
    PLAIN['model'], backbone=dict(type='TIMMBackbone', model_name='resnet10t',
                                  pretrained=True), head=dict(
        HEAD, in_channels=512))}
GRAY = {**PLAIN, 'data_preprocessor': dict(_delete_=True, mean=[100.],
                                           std=[50.]),
        'model': dict(PLAIN['model'], backbone=dict(
            type='LeNet5', num_classes=-1), head=dict(
            HEAD, in_channels=120)),
        'test_dataloader.dataset.pipeline': [
            dict(PIPELINE[0], color_type='grayscale'),
            dict(type='Resize', scale=(32, 32)), PIPELINE[-1]]}
CASES = dict(alignmix={}, plain=PLAIN, bgr=BGR, in_pipeline=IN_PIPELINE,
             no_mean=NO_MEAN, many=MANY, vit=VIT, timm=TIMM, gray=GRAY)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('export') / 'images', 2)


def checkpoint(folder, images, case):
    cfg = config(images, **CASES[case])
    if case == 'timm':
        pytest.importorskip('timm')
        cfg.model.backbone.pretrained = False
        save(folder / 'x.pth', cfg)
        content = torch.load(folder / 'x.pth')
        cfg.model.backbone.pretrained = True  # which must not be fetched
        content['meta']['cfg'] = cfg.pretty_text
        torch.save(content, folder / 'x.pth')
        return folder / 'x.pth'
    return save(folder / 'x.pth', cfg, network(
        cfg, .01 if case == 'no_mean' else 8.))


@pytest.mark.parametrize('case', CASES)
def test_onnx_predicts_what_the_predict_command_does(case, images, tmp_path):
    """From RGB pixels of an image file, whatever the order of the config."""
    pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    path, out = checkpoint(tmp_path, images, case), tmp_path / 'x.onnx'
    output = alignmix('export', path, '--onnx', out, '--dynamic-batch')
    assert 'largest difference from torch' in output
    session = runtime.InferenceSession(str(out))
    size = session.get_inputs()[0].shape[2:]
    pixels = np.random.default_rng(0).integers(0, 256, (5, *size, 3), np.uint8)
    if case == 'gray':
        pixels = np.repeat(pixels[..., :1], 3, 3)
    channels = 1 if case == 'gray' else 3
    found, = session.run(None, {'images': pixels.astype(np.float32).transpose(
        0, 3, 1, 2)[:, :channels]})
    for n, image in enumerate(pixels):
        # a size that the transforms of the test leave as it is
        shown = image if case == 'gray' else cv2.copyMakeBorder(
            image, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
        Image.fromarray(shown).save(tmp_path / f'{n}.png')
    images = [tmp_path / f'{n}.png' for n in range(5)]
    result = json.loads(alignmix('predict', path, *images, '--json'))
    for row, item in zip(found, result['images']):
        expected = {p['label']: p['probability'] for p in item['predictions']}
        assert dict(enumerate(row)) == pytest.approx(expected, abs=1e-5)
    assert np.ptp(found, 0).max() > .01 and found.shape == (5, 3)


def test_the_file_says_what_it_takes(images, tmp_path):
    onnx = pytest.importorskip('onnx')
    path, out = checkpoint(tmp_path, images, 'plain'), tmp_path / 'a' / 'x'
    output = alignmix('export', path, '--onnx', out, '--size', 32)
    notes = {p.key: p.value for p in onnx.load(str(out)).metadata_props}
    assert json.loads(notes['classes']) == list(CLASSES)
    assert '(N, 3, 32, 32), RGB, 0 to 255' in notes['input']
    assert 'normalization' in notes['inside'] and notes['inside'] in output
    assert json.loads(notes['transforms']) == PIPELINE
    shape = onnx.load(str(out)).graph.input[0].type.tensor_type.shape
    assert [axis.dim_value for axis in shape.dim] == [1, 3, 32, 32]


def test_without_onnxruntime_it_says_so(images, tmp_path, monkeypatch):
    pytest.importorskip('onnx')
    _hide(monkeypatch, 'onnxruntime')
    output = alignmix('export', checkpoint(tmp_path, images, 'plain'),
                      '--onnx', tmp_path / 'x.onnx')
    assert 'was not checked: pip install onnxruntime' in output


def test_without_onnx_one_line_says_what_to_install(tmp_path, monkeypatch):
    _hide(monkeypatch, 'onnx')
    output = alignmix('export', 'x.pth', '--onnx', tmp_path / 'x.onnx', code=1)
    assert output.count('\n') == 1 and 'pip install onnx ' in output


def _hide(monkeypatch, module):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *rest: (
        None if name == module else find(name, *rest)))
