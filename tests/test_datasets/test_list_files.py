"""Files of lists as other systems write them."""
import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from PIL import Image

from alignmix_mm.datasets._rows import read_lines, read_rows

ENCODED = {
    'mark': lambda text: '\ufeff' + text,
    'windows': lambda text: '\ufeff' + text.replace('\n', '\r\n') + '\r\n',
    'blank-end': lambda text: text + '\n\n  \n',
    'blank-start': lambda text: '\n\n' + text,
    'old-mac': lambda text: text.replace('\n', '\r'),
    'spaces': lambda text: text.replace('\n', ' \n') + ' ',
}
CUB = {
    'images.txt': '1 a b/1.png\n2 a b/2.png',
    'image_class_labels.txt': '1 1\n2 2',
    'train_test_split.txt': '1 0\n2 0',
    'bounding_boxes.txt': '1 1 2 3 4\n2 2 1 4 3',
    'classes.txt': '1 first one\n2 second',
}
METADATA = {
    'image_ids.txt': 'a b/1.png\na b/2.png',
    'class_labels.txt': 'a b/1.png,0\na b/2.png,1',
    'image_sizes.txt': 'a b/1.png,12,8\na b/2.png,12,8',
    'localization.txt': 'a b/1.png,1,2,4,6\na b/2.png,2,1,6,4',
}
TINY = {
    'wnids.txt': 'n02\nn01',
    'val/val_annotations.txt': '1.png\tn02\t0\t0\t1\t1\n2.png\tn01\t0\t0\t1\t1'
}


def write(folder, files, encode):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(text).encode())
    images = folder / 'images' / 'a b'
    images.mkdir(parents=True)
    for n in 1, 2:
        Image.fromarray(np.zeros((8, 12, 3), np.uint8)).save(
            images / f'{n}.png')
    return str(folder)


def listed(**options):
    return [(info['img_path'].rsplit('/', 1)[1], info['gt_label'],
             *np.ravel(info.get('loc_boxes', [])).tolist())
            for info in DATASETS.build(options).load_data_list()]


@pytest.mark.parametrize('encode', ENCODED.values(), ids=ENCODED)
def test_all_lists_are_read(tmp_path, encode):
    cub = dict(type='CUBWithBoxes', data_root=write(
        tmp_path / 'cub', CUB, encode))
    boxes = [('1.png', 0, 1, 2, 4, 6), ('2.png', 1, 2, 1, 6, 4)]
    assert listed(**cub) == boxes
    assert DATASETS.build(cub).metainfo['classes'] == ('first one', 'second')
    folder = write(tmp_path / 'wsol', METADATA, encode)
    assert listed(type='WSOLMetadata', metadata=folder,
                  data_root=f'{folder}/images') == boxes
    tiny = dict(type='TinyImageNet', split='val', data_root=write(
        tmp_path / 'tiny', TINY, encode))
    assert listed(**tiny) == [('1.png', 1), ('2.png', 0)]
    assert DATASETS.build(tiny).metainfo['classes'] == ['n01', 'n02']


def test_lines_end_where_editors_show_it(tmp_path):
    """Not at other characters that Unicode takes for an end of a line."""
    path = tmp_path / 'list.txt'
    path.write_text('a\u2028b\x0cc,1\n\nd\x85,2', encoding='utf-8')
    assert [(number, line[0]) for number, line in read_lines(path)] == [
        (1, 'a'), (3, 'd')]
    assert [row.values for row in read_rows(path, ('a', 'b'), ',')] == [
        [1.], [2.]]


@pytest.mark.parametrize('content', [
    'ä 1'.encode('latin-1'), 'a 1\n'.encode('utf-16')],
    ids=['latin-1', 'utf-16'])
def test_other_encodings_are_named(tmp_path, content):
    path = tmp_path / 'list.txt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'list.txt is not a text file in UTF'
                                         r'.* Save it in this encoding\.'):
        read_lines(path)


@pytest.mark.parametrize('name, line', [
    ('images.txt', '1'), ('image_class_labels.txt', 'one 1'),
    ('train_test_split.txt', '1.5 0'), ('images.txt', '-1 a')])
def test_lines_of_cub_that_do_not_fit_are_named(tmp_path, name, line):
    folder = write(tmp_path / 'cub', {**CUB, name: f'\n{line}'}, str)
    with pytest.raises(ValueError, match=f'{name}, line 2, {line!r}: exp'):
        DATASETS.build(dict(type='CUBWithBoxes', data_root=folder))


def test_lines_of_tiny_imagenet_are_counted_with_the_empty_ones(tmp_path):
    text = '1.png\tn02\n\n\n2.png'
    folder = write(tmp_path, {**TINY, 'val/val_annotations.txt': text}, str)
    with pytest.raises(ValueError, match="line 4, '2.png': there is no class"):
        DATASETS.build(dict(type='TinyImageNet', split='val',
                            data_root=folder))
