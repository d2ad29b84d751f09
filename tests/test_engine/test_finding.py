"""Which file a run goes on from, whatever else is in its folder."""
import os
import shutil

import pytest
import torch

from alignmix_mm.engine.checkpoints import find_latest, newest_complete


def write(path, step=None, optimizer=True, **options):
    content = dict(state_dict=dict(w=torch.ones(3)))
    if step is not None:
        content['meta'] = dict(epoch=step, iter=7 * step)
    if optimizer:
        content['optimizer'] = {}
    torch.save(content, path, **options)
    return path


@pytest.fixture
def run(tmp_path):
    """Epochs 1, 2 and 10; that of epoch 1 was written last."""
    for step in 1, 2, 10:
        os.utime(write(tmp_path / f'epoch_{step}.pth', step),
                 (100 - step, 100 - step))
    return tmp_path


def test_what_is_in_the_files_decides(run):
    assert newest_complete(run) == run / 'epoch_10.pth'
    (run / 'epoch_1.pth').touch()
    assert newest_complete(run) == run / 'epoch_10.pth'
    # nor does the number in the name
    write(run / 'epoch_2.pth', 11)
    assert newest_complete(run) == run / 'epoch_2.pth'


def test_a_file_is_not_its_own_remedy(run):
    last = run / 'epoch_10.pth'
    assert newest_complete(run, besides=last) == run / 'epoch_2.pth'


def test_files_of_iterations_and_names_of_ones_own(tmp_path):
    for step in 3, 20:
        write(tmp_path / f'iter_{step}.pth', step)
        write(tmp_path / f'mine-{step}.pth', step)
    assert newest_complete(tmp_path) == tmp_path / 'iter_20.pth'
    for step in 3, 20:
        (tmp_path / f'iter_{step}.pth').unlink()
    assert newest_complete(tmp_path) == tmp_path / 'mine-20.pth'


@pytest.mark.parametrize('foreign', [
    dict(), dict(optimizer=False), dict(step=300, optimizer=False),
    dict(step=300)], ids=['bare', 'weights', 'published', 'complete'])
@pytest.mark.parametrize('name', ['pretrained.pth', 'resnet50.pth'])
def test_weights_of_another_run_are_not_taken(run, name, foreign):
    write(run / name, **foreign)
    assert find_latest(run) == run / 'epoch_10.pth'


def test_without_a_checkpoint_of_its_own_a_run_begins(tmp_path):
    write(tmp_path / 'pretrained.pth', optimizer=False)
    torch.save([1, 2], tmp_path / 'epoch_1.pth')
    torch.save(dict(meta='text'), tmp_path / 'other.pth')
    assert find_latest(tmp_path) is None


def test_links_folders_and_damage_are_passed_over(run):
    (run / 'latest.pth').symlink_to('epoch_99.pth')
    (run / 'loop.pth').symlink_to('loop.pth')
    (run / 'epoch_98.pth').mkdir()
    data = (run / 'epoch_10.pth').read_bytes()
    (run / 'epoch_97.pth').write_bytes(data[:-50])
    (run / 'epoch_96.pth').write_bytes(b'<html></html>')
    flipped = bytearray(data)
    flipped[data.rindex(b'iter') + 5] ^= 64  # it says another iteration
    (run / 'epoch_95.pth').write_bytes(flipped)
    assert find_latest(run) == run / 'epoch_10.pth'
    (run / 'latest.pth').unlink()
    (run / 'latest.pth').symlink_to('epoch_10.pth')
    assert find_latest(run).resolve() == run / 'epoch_10.pth'


def test_old_formats_take_part(run):
    write(run / 'epoch_11.pth', 11, _use_new_zipfile_serialization=False)
    assert find_latest(run) == run / 'epoch_11.pth'


@pytest.mark.parametrize('content', [
    b'', b'\n', b'\xff\xfe\x00', b'a\x00b', b'x' * 5000, b'/nowhere/a.pth',
    b'.', b'/', bytes(40)])
def test_a_damaged_pointer_names_nothing(run, content):
    (run / 'last_checkpoint').write_bytes(content)
    assert find_latest(run) == run / 'epoch_10.pth'


def test_a_pointer_that_is_no_file(run):
    pointer = run / 'last_checkpoint'
    pointer.symlink_to('nothing')
    assert find_latest(run) == run / 'epoch_10.pth'
    pointer.unlink()
    pointer.mkdir()
    assert find_latest(run) == run / 'epoch_10.pth'


@pytest.mark.parametrize('content', [
    'epoch_2.pth', '{}/epoch_2.pth', ' {}/epoch_2.pth\r\n',
    '\ufeff{}/epoch_2.pth', 'work_dirs/run/epoch_2.pth'])
def test_what_a_pointer_may_say(run, content):
    (run / 'last_checkpoint').write_text(content.format(run))
    assert find_latest(run) == run / 'epoch_2.pth'


def test_a_copied_folder_has_its_own_files(run, tmp_path_factory):
    (run / 'last_checkpoint').write_text(str(run / 'epoch_2.pth'))
    copy = tmp_path_factory.mktemp('other') / 'run'
    shutil.copytree(run, copy)
    assert find_latest(copy) == copy / 'epoch_2.pth'
    # checkpoints may lie outside (CheckpointHook.out_dir)
    (copy / 'epoch_2.pth').unlink()
    assert find_latest(copy) == run / 'epoch_2.pth'
