"""Predictions of single images, from the command line."""
import json
import pickle

import cv2
import numpy as np
import pytest
import torch
from commands import alignmix
from mmengine.config import Config
from PIL import Image
from small_classifier import CLASSES, config, save
from small_run import write_images

from alignmix_mm.cli.common.inputs import (
    build_pipeline,
    file_pipeline,
    trained_size,
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images and a checkpoint."""
    path = tmp_path_factory.mktemp('predict')
    write_images(path / 'images', 3)
    save(path / 'run' / 'epoch_1.pth', config(path / 'images'))
    return path


def photo(seed=0, size=(37, 51)):
    """Pixels that the network sees something in, ``(H, W, 3)`` RGB."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)


def predict(folder, *words, code=0):
    output = alignmix('predict', folder / 'run' / 'epoch_1.pth', *words,
                      '--json', code=code)
    start, end = output.index('{'), output.rindex('}') + 1
    return json.loads(output[start:end])


def scores(item):
    return {p['label']: p['probability'] for p in item['predictions']}


def test_the_test_command_gives_the_same(folder, tmp_path):
    """Of every image, whatever the batch that it was in."""
    out = tmp_path / 'pred.pkl'
    alignmix('test', folder / 'run' / 'epoch_1.pth', '--out', out,
             '--work-dir', tmp_path)
    theirs = {sample['img_path']: sample['pred_score']
              for sample in pickle.loads(out.read_bytes())}
    found = predict(folder, folder / 'images')['images']
    assert len(found) == 9 and {i['path'] for i in found} == set(theirs)
    for item in found:
        ours = scores(item)
        assert [ours[k] for k in range(3)] == pytest.approx(
            theirs[item['path']].tolist(), abs=1e-6)
        first = item['predictions'][0]
        assert first['name'] == CLASSES[first['label']]
        assert first['probability'] == max(ours.values())
    assert len({tuple(scores(item).values()) for item in found}) == 9


def gray_8(path, rgb):
    Image.fromarray(rgb[..., 0]).save(path)
    return np.repeat(rgb[..., :1], 3, 2)


def gray_16(path, rgb):
    cv2.imwrite(str(path), rgb[..., 0].astype(np.uint16) * 257)
    return np.repeat(rgb[..., :1], 3, 2)


def colour_16(path, rgb):
    cv2.imwrite(str(path), rgb[..., ::-1].astype(np.uint16) * 257)
    return rgb


def rgba(path, rgb):
    alpha = np.full((*rgb.shape[:2], 1), 128, np.uint8)
    Image.fromarray(np.concatenate([rgb, alpha], 2)).save(path)
    return rgb


def gray_alpha(path, rgb):
    Image.fromarray(rgb[..., 0]).convert('LA').save(path)
    return np.repeat(rgb[..., :1], 3, 2)


def palette(path, rgb):
    image = Image.fromarray(rgb).quantize(16)
    image.save(path, transparency=3)
    return np.array(image.convert('RGB'))


def turned(path, rgb):
    """EXIF orientation 6: to be shown a quarter turn to the right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(path, exif=exif)
    return np.rot90(rgb, -1)


@pytest.mark.parametrize('write', [
    gray_8, gray_16, colour_16, rgba, gray_alpha, palette, turned],
    ids=lambda f: f.__name__)
def test_files_of_all_kinds(folder, tmp_path, write):
    """Each as the RGB image that it shows."""
    shown = write(tmp_path / 'a.png', photo())
    Image.fromarray(np.ascontiguousarray(shown)).save(tmp_path / 'b.png')
    first, second = predict(folder, tmp_path)['images']
    assert scores(first) == pytest.approx(scores(second), abs=1e-3)


def test_cmyk_is_nearly_its_rgb(folder, tmp_path):
    """Conversions differ by their rounding, and by JPEG's losses."""
    rgb = photo()
    Image.fromarray(rgb).convert('CMYK').save(tmp_path / 'a.jpg', quality=100)
    Image.fromarray(rgb).save(tmp_path / 'b.png')
    first, second = predict(folder, tmp_path)['images']
    assert scores(first) == pytest.approx(scores(second), abs=.03)


def test_what_cannot_be_read_is_named_and_the_rest_predicted(folder,
                                                             tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'no image')
    (tmp_path / 'b.png').write_bytes(b'')
    Image.fromarray(photo()).save(tmp_path / 'c.png')
    (tmp_path / 'readme.txt').write_text('not taken from a folder')
    found = predict(folder, tmp_path, tmp_path / 'gone.png', code=1)
    assert [i['path'] for i in found['images']] == [str(tmp_path / 'c.png')]
    assert [i['path'] for i in found['failed']] == [
        str(tmp_path / name) for name in ('a.jpg', 'b.png', 'gone.png')]
    assert 'no such file' in found['failed'][2]['error']
    output = alignmix('predict', folder / 'run' / 'epoch_1.pth', tmp_path,
                      '--top', 2, code=1)
    assert 'Traceback' not in output and f'{tmp_path / "a.jpg"} can' in output
    shown = output[output.index(str(tmp_path / 'c.png')):].split('\n')
    first, second = (float(line.split(' %')[0]) for line in shown[1:3])
    assert 100 >= first >= second >= 0 and first > 33
    assert shown[1].split()[-1] in CLASSES


def checkpoint(tmp_path, **meta):
    return save(tmp_path / 'x.pth', config(tmp_path), **meta)


def test_classes_without_names_have_numbers(folder, tmp_path):
    path = checkpoint(tmp_path, dataset_meta={})
    image = folder / 'images' / 'one' / '0.png'
    assert 'class 2' in alignmix('predict', path, image)
    path = checkpoint(tmp_path, dataset_meta=dict(classes=['a', 'b']))
    assert 'class 2' in alignmix('predict', path, image)


MODEL = "model = dict(type='os.system', command='touch {0}')\n"


@pytest.mark.parametrize('cfg, message', [
    (None, 'holds no config'), ('', 'has no `model`'),
    ("import os\nos.system('touch {0}')", 'Line 1 is not an assignment'),
    ("x = __import__('os').system('touch {0}')", 'more than literals'),
    ('model = dict(', 'was never closed'), (MODEL, 'os.system'),
    ("model = dict(type='ImageClassifier', backbone=dict("
     "type='mmengine.fileio.load', file='x'))", 'mmengine.fileio.load'),
    ("model = dict(type='ImageClassifier', backbone=dict("
     "type='ResNet', depth=18, norm_cfg=dict(type='my.Norm')))", 'my.Norm')])
def test_configs_of_checkpoints_are_not_executed(folder, tmp_path, cfg,
                                                 message):
    proof = tmp_path / 'executed'
    path = checkpoint(tmp_path, cfg=cfg and cfg.format(proof))
    image = folder / 'images' / 'one' / '0.png'
    output = alignmix('predict', path, image, code=1)
    assert message in output and '--config FILE' in output
    assert len(output.strip().split('\n')) <= 2
    assert not proof.exists()


def test_a_config_can_be_given(folder, tmp_path):
    path = checkpoint(tmp_path, cfg=None)
    config(tmp_path).dump(tmp_path / 'config.py')
    image = folder / 'images' / 'one' / '0.png'
    output = alignmix('predict', path, image, '--config',
                      tmp_path / 'config.py')
    assert str(image) in output


CIFAR = dict(
    model=dict(type='ImageClassifier'),
    data_preprocessor=dict(mean=[1., 2., 3.], std=[1.] * 3, to_rgb=False),
    train_dataloader=dict(dataset=dict(type='CIFAR10', pipeline=[
        dict(type='RandomCrop', crop_size=(32, 40), padding=4),
        dict(type='PackInputs')])),
    test_dataloader=dict(dataset=dict(type='CIFAR10', pipeline=[
        dict(type='PackInputs')])))


@pytest.mark.parametrize('to_rgb', [False, True])
def test_networks_of_arrays_get_files_in_their_order_and_size(to_rgb,
                                                              tmp_path):
    """CIFAR's pixels are RGB, files are read as BGR."""
    cfg = Config(CIFAR)
    cfg.data_preprocessor.to_rgb = to_rgb  # then arrays are BGR
    pixels = photo(size=(32, 40))
    Image.fromarray(pixels).save(tmp_path / 'x.png')
    inputs = build_pipeline(file_pipeline(cfg))(
        dict(img_path=str(tmp_path / 'x.png')))['inputs']
    expected = pixels[..., ::-1] if to_rgb else pixels
    assert torch.equal(inputs, torch.tensor(expected.copy()).permute(2, 0, 1))


def test_the_size_of_training_is_the_last_that_is_set():
    def size(*transforms):
        return trained_size(Config(dict(test_dataloader=dict(
            dataset=dict(type='RepeatDataset', dataset=dict(
                pipeline=list(transforms)))))))

    edge = dict(type='ResizeEdge', scale=256)
    assert size(edge) is None
    assert size(edge, dict(type='CenterCrop', crop_size=96)) == (96, 96)
    assert size(dict(type='Resize', scale=(40, 32))) == (32, 40)
