"""Boxes beside images: CUB's layout, and metadata folders."""
import logging
import pickle

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from PIL import Image

from alignmix_mm import CUBWithBoxes, WSOLMetadata

PIPELINE = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='Resize', scale=(24, 24), backend='pillow'),
    dict(type='PackInputs'),
]
SIZES = [(60, 40), (33, 51), (48, 48), (37, 29)]
BOXES = ['1 10.0 5.0 20.0 30.0', '2 0 0 33 51', '3 7 8 9 10', '4 30 2 7 20']


@pytest.fixture
def folder(tmp_path):
    """Four images of two classes, the third to train with."""
    names = [f'{n % 2 + 1:03d}.kind/{n}.png' for n in range(4)]
    for name, size in zip(names, SIZES):
        path = tmp_path / 'images' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', size, (200, 0, 0)).save(path)
    write(tmp_path, 'images.txt',
          [f'{n} {name}' for n, name in enumerate(names, 1)])
    write(tmp_path, 'image_class_labels.txt', ['1 1', '2 2', '3 1', '4 2'])
    write(tmp_path, 'train_test_split.txt', ['1 0', '2 0', '3 1', '4 0'])
    write(tmp_path, 'bounding_boxes.txt', BOXES)
    return tmp_path


def write(folder, name, lines):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text('\n'.join(lines))  # no newline at the end


def cub(folder, **options):
    return DATASETS.build(dict(
        type='CUBWithBoxes', data_root=str(folder), pipeline=PIPELINE,
        **options))


def boxes_of(dataset):
    return [dataset[n]['data_samples'].loc_boxes.tolist()
            for n in range(len(dataset))]


def test_cub_boxes_are_one_past_the_end_and_inside(folder):
    dataset = cub(folder)
    assert boxes_of(dataset) == [
        [[10, 5, 30, 35]], [[0, 0, 32, 50]], [[30, 2, 36, 22]]]
    assert boxes_of(cub(folder, split='train')) == [[[7, 8, 16, 18]]]
    sample = dataset[1]['data_samples']
    # not scaled with the image: the metric does that, from these sizes
    assert sample.loc_boxes.dtype == np.float64
    assert sample.img_shape == (24, 24) and sample.ori_shape == (51, 33)
    assert int(sample.gt_label) == 1
    assert dataset.metainfo['split'] == 'test'
    again = pickle.loads(pickle.dumps(dataset))
    assert boxes_of(again) == boxes_of(dataset)


def test_fractions_are_kept(folder):
    write(folder, 'bounding_boxes.txt', ['1 10.5 5.25 20.75 30', *BOXES[1:]])
    assert boxes_of(cub(folder))[0] == [[10.5, 5.25, 31.25, 35.25]]


def test_classes_are_those_of_the_folder(folder):
    assert len(cub(folder).metainfo['classes']) == 200  # MMPretrain's
    write(folder, 'classes.txt', ['1 001.kind', '2 002.kind'])
    assert cub(folder).metainfo['classes'] == ('001.kind', '002.kind')
    assert cub(folder, classes=['a', 'b']).metainfo['classes'] == ('a', 'b')


def test_images_that_are_turned_when_loaded(folder):
    path = folder / 'images' / '001.kind' / '0.png'
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn: 40 wide and 60 high
    Image.new('RGB', (60, 40)).save(path, exif=exif)
    write(folder, 'bounding_boxes.txt', ['1 10 30 40 40', *BOXES[1:]])
    sample = cub(folder)[0]['data_samples']
    assert sample.ori_shape == (60, 40)
    assert sample.loc_boxes.tolist() == [[10, 30, 39, 59]]


def test_training_needs_no_boxes(folder):
    (folder / 'bounding_boxes.txt').unlink()
    data = DATASETS.build(dict(
        type='CUB', data_root=str(folder), pipeline=PIPELINE))
    assert len(data) == 1
    with pytest.raises(FileNotFoundError) as error:
        cub(folder)
    assert str(folder / 'bounding_boxes.txt') in str(error.value)
    assert 'leave the metric Localization out' in str(error.value)


@pytest.mark.parametrize('lines, line, problem', [
    ([BOXES[0], '9 1 2 3 4', '8 1 2 3 4'], 2, 'no image with this id'),
    (['001.kind/0.png 1 2 3 4'], 1, 'no image with this id'),
    ([BOXES[0], '', '2 5 5 -3 4'], 3, 'have to be positive'),
    (['1 5 5 3 0', '2 5 5 -3 4'], 1, 'have to be positive'),
    (['1 60 5 3 3'], 1, 'not inside the image, which is 60 x 40'),
    (['1 5 40 3 3'], 1, 'not inside'), (['1 -1 5 3 3'], 1, 'not inside'),
    (['1 0 0 9999 9999'], 1, 'not inside'),
    (['1 nan 5 3 3'], 1, 'not inside'), (['1 1 1 inf 3'], 1, 'not inside'),
    (['1 5 5 3'], 1, 'expected `id x y width height`'),
    (['1 5 5 3 x'], 1, 'expected `id x y width height`'),
    (['1,5,5,3,3'], 1, 'expected `id x y width height`')])
def test_the_first_wrong_line_is_named(folder, lines, line, problem):
    write(folder, 'bounding_boxes.txt', lines)
    with pytest.raises(ValueError) as error:
        cub(folder)
    text = lines[line - 1]
    assert f'bounding_boxes.txt, line {line}, {text!r}: ' in str(error.value)
    assert problem in str(error.value)


def test_images_without_a_box_are_named(folder):
    write(folder, 'bounding_boxes.txt', BOXES[:3])
    with pytest.raises(ValueError, match=r'no box of .*002\.kind.3\.png'):
        cub(folder)


def test_boxes_that_end_outside_are_cut_and_said(folder, mm_log):
    write(folder, 'bounding_boxes.txt',
          [BOXES[0], '2 1 1 33 50', BOXES[2], '4 30 2 12 20'])
    assert boxes_of(cub(folder))[1:] == [[[1, 1, 32, 50]], [[30, 2, 36, 22]]]
    warning, = (r.message for r in mm_log.records
                if r.levelno == logging.WARNING)
    assert '1 boxes end outside' in warning and 'line 4' in warning


@pytest.fixture
def metadata(folder):
    path = folder / 'metadata' / 'val'
    path.mkdir(parents=True)
    write(path, 'image_ids.txt', ['002.kind/1.png', '001.kind/2.png'])
    # another order than that of the ids
    write(path, 'class_labels.txt', ['001.kind/2.png,0', '002.kind/1.png,1'])
    write(path, 'image_sizes.txt',
          ['002.kind/1.png,33,51', '001.kind/2.png,48,48'])
    write(path, 'localization.txt',
          ['001.kind/2.png,1,2,3,4', '002.kind/1.png,5,6,32,50',
           '001.kind/2.png,9,9,9,9'])
    return path


def wsol(metadata, **options):
    return DATASETS.build(dict(
        type='WSOLMetadata', metadata=str(metadata), pipeline=PIPELINE,
        data_root=str(metadata.parents[1]), data_prefix='images', **options))


def test_metadata_are_joined_by_path(metadata):
    dataset = wsol(metadata)
    assert boxes_of(dataset) == [
        [[5, 6, 32, 50]], [[1, 2, 3, 4], [9, 9, 9, 9]]]
    assert [int(dataset[n]['data_samples'].gt_label) for n in (0, 1)] == [1, 0]
    assert dataset[0]['inputs'].shape == (3, 24, 24)
    assert dataset.metainfo['split'] == 'val'
    names = ('a', 'b')
    assert wsol(metadata, classes=names).metainfo['classes'] == names


@pytest.mark.parametrize('name, lines, line, problem', [
    ('class_labels.txt', ['001.kind/2.png,0.5'], 1, 'integer'),
    ('class_labels.txt', ['x.png,0'], 1, 'no such image in image_ids.txt'),
    ('image_sizes.txt', ['001.kind/2.png,48'], 1, '`path,width,height`'),
    ('localization.txt', ['x.png,1,2,3,4'], 1, 'no such image'),
    ('localization.txt', ['001.kind/2.png,5,2,3,4'], 1, 'at least x0'),
    ('localization.txt', ['001.kind/2.png,1,2,3,4',
                          '001.kind/2.png,5,2,60,4'], 2, 'ends outside'),
    ('localization.txt', ['001.kind/2.png,49,2,60,4'], 1, 'not inside')])
def test_the_first_wrong_line_of_metadata_is_named(metadata, name, lines,
                                                   line, problem):
    write(metadata, name, lines)
    with pytest.raises(ValueError) as error:
        wsol(metadata)
    assert f'{name}, line {line}, ' in str(error.value)
    assert problem in str(error.value)


@pytest.mark.parametrize('name', [
    'image_ids.txt', 'class_labels.txt', 'image_sizes.txt',
    'localization.txt'])
def test_incomplete_metadata_are_named(metadata, name):
    if name != 'image_ids.txt':
        lines = (metadata / name).read_text().splitlines()
        write(metadata, name, [x for x in lines if '002' not in x])
        if name != 'image_sizes.txt':
            with pytest.raises(ValueError, match=f'{name} has no .* of 002'):
                wsol(metadata)
        else:
            with pytest.raises(ValueError, match=r'size is not in'):
                wsol(metadata)
    (metadata / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        wsol(metadata)


def test_real_boxes(shared_data, tmp_path):
    import subprocess
    import sys
    subprocess.run([sys.executable, str(shared_data / 'unpack.py'),
                    'wsol_mini', str(tmp_path)], check=True)
    for split, count in (('train', 194), ('test', 97)):
        dataset = CUBWithBoxes(str(tmp_path), split, pipeline=PIPELINE)
        assert len(dataset) == count
        assert dataset.metainfo['classes'] == ('001.kangaroo', '002.raccoon')
        for n in range(0, count, 20):
            sample = dataset[n]['data_samples']
            height, width = sample.ori_shape
            (x0, y0, x1, y1), = sample.loc_boxes
            assert 0 <= x0 < x1 <= width - 1 and 0 <= y0 < y1 <= height - 1


def test_names():
    assert DATASETS.get('CUBWithBoxes') is CUBWithBoxes
    assert DATASETS.get('WSOLMetadata') is WSOLMetadata
