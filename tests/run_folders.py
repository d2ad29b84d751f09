"""Make folders like those of runs, without training."""
import json

CONFIG = """
train_cfg = dict(by_epoch=True, max_epochs={epochs}, val_interval=1)
model = dict(type='</pre><script>boom</script>')
"""
LOG = """2026/01/01 00:00:00 - mmengine - INFO -
------------------------------------------------------------
System environment:
    Python: 3.11.7 (main, May  9 2026) [GCC 12.2.0]
    PyTorch: 2.15.0
Runtime environment:
    seed: 7
------------------------------------------------------------
2026/01/01 00:00:00 - mmengine - INFO - Config:
"""
PIXEL = bytes.fromhex(
    '89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de000000'
    '0c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082')


def epoch_lines(first, last, accuracy, per_epoch=3, **losses):
    """Lines that MMEngine logs for some epochs; ``accuracy`` by epoch."""
    lines = []
    for epoch in range(first, last + 1):
        for step in range((epoch - 1) * per_epoch + 1, epoch * per_epoch + 1):
            lines.append(dict(lr=.1 / step, loss=9 / step, time=.1, **losses,
                              epoch=epoch, iter=step, step=step))
        if epoch in accuracy:
            lines.append({'accuracy/top1': accuracy[epoch], 'time': .2,
                          'data_time': .1, 'step': epoch})
    return ''.join(json.dumps(line) + '\n' for line in lines)


def make_run(folder, parts, config='some', epochs=30):
    folder.mkdir(parents=True)
    if config:
        (folder / f'{config}.py').write_text(CONFIG.format(epochs=epochs))
    for stamp, lines in parts.items():
        file = folder / stamp / 'vis_data' / 'scalars.json'
        file.parent.mkdir(parents=True)
        file.write_text(lines)
        (folder / stamp / f'{stamp}.log').write_text(LOG)
    return folder
