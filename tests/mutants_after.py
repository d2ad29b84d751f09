"""Known faults in the commands that use a trained network."""

CLI = 'alignmix_mm/cli'
WEIGHTS = 'test_engine/test_weights.py'
STORED = 'test_engine/test_stored_config.py'
PREDICT = 'test_cli/test_predict.py'
TEST = 'test_cli/test_test_command.py'
# name, file, old text, new text, tests; see Mutant in mutants.py
AFTER = (
    ('after: a missing head is at random', 'alignmix_mm/engine/weights.py',
     'if misfits and not allow_partial:', 'if False:', WEIGHTS),
    ('after: what is missing does not count', 'alignmix_mm/engine/weights.py',
     'for name in seen[-1].missing_keys if name in needed)',
     'for name in seen[-1].missing_keys if False)', WEIGHTS),
    ('after: counters have to be there', 'alignmix_mm/engine/weights.py',
     'for name in seen[-1].missing_keys if name in needed)',
     'for name in seen[-1].missing_keys)', WEIGHTS),
    ('after: a deeper network fits', 'alignmix_mm/engine/weights.py',
     'if name.startswith(_PARTS) and', 'if False and', WEIGHTS),
    ('after: NaN predicts', 'alignmix_mm/engine/weights.py',
     'bool(value.isnan().any())', 'False', WEIGHTS),
    ('after: prefixes of wrappers stay', 'alignmix_mm/engine/weights.py',
     "_WRAPPERS.sub('', key)", 'key', WEIGHTS),
    ('after: any class is built', 'alignmix_mm/engine/stored_config.py',
     'return any(found is entry for _, entry in known)',
     'return True', STORED),
    ('after: pickles are opened', 'alignmix_mm/engine/stored_config.py',
     'and _CAN_EXECUTE.search(value)', 'and False', STORED),
    ('after: files of arrays stay BGR', f'{CLI}/common/inputs.py',
     "    if settings.get('to_rgb'):\n", '    if True:\n', PREDICT),
    ('after: unreadable files end it', f'{CLI}/predicting.py',
     "return 1 if found['failed'] else 0", 'return 0', PREDICT),
    ('after: the test writes over the config of the run',
     f'{CLI}/testing/work.py', 'build_runner(cfg, ResultsRunner)',
     'build_runner(cfg)', TEST),
    ('after: results go to a new run', f'{CLI}/testing/settings.py',
     'return str(Path(args.checkpoint).parent)',
     "return str(Path('work_dirs') / Path(args.checkpoint).stem)", TEST),
    ('after: the test does not look at weights', f'{CLI}/testing/settings.py',
     'allow_partial=args.allow_partial)]', 'allow_partial=True)]', TEST),
    ('after: noise of 32 pixels', 'alignmix_mm/datasets/ood.py',
     'if kind is not NoiseImages:', 'if True:', TEST),
    ('after: any object is published', f'{CLI}/publishing.py',
     'json.loads(json.dumps(meta, default=_plain))', 'meta',
     'test_cli/test_publish.py'),
)
