#!/usr/bin/env python3
"""Read runs in the flat layout as the loader and five scripts of the original project do: their paths, keys and indices.

Usage: check_flat.py DIR     where DIR/experiments/results and DIR/experiments/output are
Exits 77 where there is no numpy.
"""
import json
import os
import sys

try:
    import numpy as np
except ImportError:
    print('skipped: no numpy here')
    sys.exit(77)

root = os.path.join(sys.argv[1], 'experiments')


def document(*path):
    with open(os.path.join(root, *path), encoding='utf-8') as f:
        return json.load(f)


def arrays(*path):
    return np.load(os.path.join(root, *path), allow_pickle=True)


def load_all(place, name):
    """The loader: whatever is there, by its name."""
    config = document(place, name, 'experiment_metadata.json')['config']
    assert isinstance(config['prompt'], str)
    found = {'config': config}
    for kind, file in (('attention', 'attention_weights.npz'), ('logits', 'logits_distributions.npz')):
        if not os.path.exists(os.path.join(root, place, name, file)):
            continue
        data = arrays(place, name, file)
        steps = {int(k.split('_')[1]): data[k] for k in data.files if k.endswith('_' + kind)}
        assert steps[0].ndim >= 2 and all(isinstance(data[f'step_{i}_positions'].tolist(), list) for i in steps)
        assert all(int(data[f'step_{i}_logical']) == i for i in steps)
        found[kind] = steps
    sets = document(place, name, 'parallel_sets.json')
    found['sets'] = sets['parallel_sets']
    assert sets['summary']['total_parallel_steps'] == len(sets['parallel_sets']) and sets['summary']['max_parallel_width'] >= 0
    found['rope'] = {int(k): v for k, v in document(place, name, 'rope_positions.json').items()}
    return found


def within_one_step(run, step):
    """Siblings and what came before, where a step has as many queries as its set has members."""
    weights = run['attention'][step].mean(axis=0).mean(axis=0)
    for s in run['sets']:
        if s['step'] == step and weights.shape[1] == s['count']:
            assert np.isfinite(weights[:, :, -s['count']:]).all() and np.isfinite(weights[:, :, :-s['count']]).all()


def to_earlier_sets(run, step):
    """Attention of the first query on the slots of earlier sets: [layers, heads, slots]."""
    if step not in run['attention']:
        return
    weights = run['attention'][step][:, 0, :, 0, :]
    for s in run['sets']:
        if s['step'] < step:
            total = sum(weights[:, :, p] for p in s['positions'] if p < weights.shape[2])
            assert np.isfinite(total).all() and (total >= 0).all() and (total <= 1 + 1e-6).all()
    average = run['attention'][step].mean(axis=(0, 1))[0]
    assert np.isfinite(average[:, [p for s in run['sets'] if s['step'] < step for p in s['positions']]]).all()


def compare_modes(name):
    """Isolated and visible directories beside each other, with their times."""
    results = {}
    for mode in ('isolated', 'visible'):
        meta, results[mode] = document('output', f'{name}_{mode}', 'experiment_metadata.json'), document('output', f'{name}_{mode}', 'results.json')
        assert meta['num_steps'] > 0 and meta['total_tokens'] >= meta['num_steps']
        assert meta['config']['allow_intraset_token_visibility'] is (mode == 'visible')
        if os.path.exists(os.path.join(root, 'output', f'{name}_{mode}', 'logits_distributions.npz')):
            logits = arrays('output', f'{name}_{mode}', 'logits_distributions.npz')
            assert all(logits[k].ndim == 2 for k in logits.files if k.endswith('_logits'))
    a, b = results['isolated'], results['visible']
    assert a['raw_generated_text'] and b['raw_generated_text']
    assert np.isfinite((b['generation_time'] - a['generation_time']) / a['generation_time'])


runs = {name: load_all('results', name) for name in ('exp1_isolated', 'exp1_visible', 'exp3_cross_parallel', 'exp4_kv_cache')}
for name in ('exp1_isolated', 'exp1_visible'):
    shape = runs[name]['attention'][0].shape
    assert len(shape) == 5 and shape[1] == 1
    assert document('results', name, 'results.json')['raw_generated_text'] and runs[name]['config']['description']
    for step in (1, 2, 3):
        within_one_step(runs[name], step)
    for step in (3, 4, 5, 6):
        to_earlier_sets(runs[name], step)
groups = {}
for slot, position in runs['exp4_kv_cache']['rope'].items():
    groups.setdefault(position, []).append(slot)
assert any(len(slots) > 1 for slots in groups.values())
for name in ('logits_comparison', 'edge_case_high_parallelism'):
    compare_modes(name)
print(f'{len(runs) + 4} runs as readers expect them')
