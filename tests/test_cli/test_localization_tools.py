"""Localization from the command line, on made-up pictures of rectangles."""
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from commands import alignmix, process
from PIL import Image

CONFIG = 'configs/demo/alignmix_wsol_mini.py'


def rectangles(folder):
    """Red and blue rectangles of different sizes; 20 to train, 5 to test."""
    rng, lines = np.random.default_rng(0), []
    for n in range(1, 26):
        size, kind = rng.integers(60, 130, 2), n % 2
        low = (size * rng.uniform(.1, .3, 2)).astype(int)
        wide = (size * rng.uniform(.4, .6, 2)).astype(int)
        pixels = rng.integers(0, 255, (*size[::-1], 3)).astype(np.uint8)
        x, y = low
        pixels[y:y + wide[1], x:x + wide[0]] = (250, 0, 0) if kind else (
            0, 0, 250)
        name = f'{("red", "blue")[kind]}/{n}.png'
        (folder / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / 'images' / name)
        lines.append((name, kind + 1, int(n <= 20),
                      f'{x} {y} {wide[0]} {wide[1]}'))
    for column, file in enumerate(('images', 'image_class_labels',
                                   'train_test_split', 'bounding_boxes')):
        (folder / f'{file}.txt').write_text(''.join(
            f'{n + 1} {line[column]}\n' for n, line in enumerate(lines)))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Data, and a checkpoint of one epoch."""
    folder = tmp_path_factory.mktemp('wsol')
    rectangles(folder / 'data')
    environment = dict(ALIGNMIX_WSOL=str(folder / 'data'))
    output = alignmix(
        'train', CONFIG, '--work-dir', folder / 'run',
        '--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
        'default_hooks.checkpoint.interval=1', 'train_dataloader.batch_size=5',
        'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0',
        **environment)
    assert 'alignment changes the embedding by' in output
    assert 'localization/tau_chosen_on: test' in output  # validation
    return folder, environment


def evaluate(trained, run, *command):
    folder, environment = trained
    work_dir = folder / 'test' / command[0].replace('/', '_')
    output = run(
        *command, '--work-dir', work_dir, '--out', folder / 'pred.pkl',
        '--cfg-options', 'test_dataloader.num_workers=0',
        'test_dataloader.batch_size=2', **environment)
    file, = work_dir.glob('*/metrics.json')
    return json.loads(file.read_text()), file.parent, output


@pytest.fixture(scope='module')
def tested(trained):
    return evaluate(trained, alignmix, 'test', CONFIG,
                    trained[0] / 'run' / 'epoch_1.pth')


def test_one_command_evaluates(tested, trained):
    metrics, run, output = tested
    assert metrics['localization/n_images'] == 5
    assert metrics['localization/tau_chosen_on'] == 'test'
    assert metrics['localization/top1_cls'] == metrics['accuracy/top1']
    records = json.loads((run / 'localization.json').read_text())['images']
    assert len(records) == 5
    assert len((run / 'localization.csv').read_text().splitlines()) == 6
    assert 'localization/maxboxaccv2' in output


def test_the_checkpoint_alone_gives_the_same_figures(tested, trained):
    """And so does a network that the config does not ask for maps."""
    folder, _ = trained
    out = folder / 'alone.json'
    alignmix('test', folder / 'run' / 'epoch_1.pth', '--metrics',
             'localization', '--work-dir', folder / 'alone', '--out', out,
             '--cfg-options', 'test_dataloader.num_workers=0',
             'model.cam=None')
    figures = json.loads(out.read_text())
    assert figures == {key: value for key, value in tested[0].items()
                       if key.startswith('localization/')}


@pytest.mark.process
def test_two_processes_count_every_image_once(tested, trained):
    """Five images for two processes: one is there twice."""
    metrics, run, _ = evaluate(
        trained, process, 'bash', 'tools/dist_test.sh', CONFIG,
        trained[0] / 'run' / 'epoch_1.pth', 2)
    assert metrics == pytest.approx(tested[0])
    images = json.loads((run / 'localization.json').read_text())['images']
    assert len({record['image'] for record in images}) == len(images) == 5


def test_saved_maps_give_the_same_figures(tested, trained):
    folder, _ = trained
    with open(folder / 'pred.pkl', 'rb') as file:
        predictions = pickle.load(file)
    for n, sample in enumerate(predictions):
        image = Path(sample['img_path'])
        # as documented, or as the evaluator of Choe et al. names them
        name = f'{image.stem}.npy' if n % 2 else f'{image.name}.npy'
        path = folder / 'maps' / image.parent.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, sample['cam'].numpy())
    alignmix('localize', folder / 'data', '--maps', folder / 'maps', '--size',
             112, 112, '--out', folder / 'maps.json')
    figures = json.loads((folder / 'maps.json').read_text())
    assert len(figures) == 16  # all but those of the class
    for key, value in figures.items():
        assert value == tested[0][f'localization/{key}'], key
    path.unlink()
    output = alignmix('localize', folder / 'data', '--maps', folder / 'maps',
                      code=1)
    name = path.name.removesuffix('.npy').removesuffix('.png')
    assert f'{name}.npy should be the map of' in output
    assert 'Traceback' not in output


def test_the_centre_is_what_has_to_be_beaten(trained):
    output = alignmix('localize', trained[0] / 'data')
    assert 'maxboxaccv2' in output and 'n_degenerate         0' in output


@pytest.mark.parametrize('own', [False, True])
def test_pictures(trained, own):
    folder, environment = trained
    out = folder / f'{own}.png', folder / f'{own}.svg'
    options = ['--images', folder / 'data' / 'images' / 'red'] * own
    output = alignmix(
        'visualize', 'localization', CONFIG,
        folder / 'run' / 'epoch_1.pth', '--num', 3, *options, '--out', *out,
        **environment)
    assert str(out[0]) in output
    assert np.asarray(Image.open(out[0])).std() > 10
    text = out[1].read_text()
    assert '<svg' in text
    assert ('#00ff00' in text) == (not own)  # true boxes


def test_a_config_that_reads_no_files_cannot_draw_a_folder(trained):
    folder, _ = trained
    output = alignmix(
        'visualize', 'localization', 'configs/alignmix_r18_cifar10.py',
        folder / 'run' / 'epoch_1.pth', '--images', folder, code=1)
    assert 'with LoadImageFromFile and a Resize' in output
    assert "['PackInputs']" in output and 'Traceback' not in output


@pytest.mark.parametrize('command', ['test', 'visualize localization'])
def test_missing_boxes_are_named(trained, command, tmp_path):
    import shutil
    folder, _ = trained
    shutil.copytree(folder / 'data', tmp_path / 'data')
    (tmp_path / 'data' / 'bounding_boxes.txt').unlink()
    output = alignmix(
        *command.split(), CONFIG, folder / 'run' / 'epoch_1.pth',
        '--work-dir', tmp_path, code=1, ALIGNMIX_WSOL=str(tmp_path / 'data'))
    assert f'{tmp_path}/data/bounding_boxes.txt is missing' in output
    assert 'leave the metric Localization out' in output
