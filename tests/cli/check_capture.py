#!/usr/bin/env python3
"""Load what `tempo generate --capture` wrote as the readers of the original project do: numpy without pickle, their keys.

Usage: check_capture.py DIR [DIR]     one capture, or an isolated and a visible one to compare
Exits 77 where there is no numpy.
"""
import hashlib
import json
import os
import sys

try:
    import numpy as np
except ImportError:
    print('skipped: no numpy here')
    sys.exit(77)


def softmax(rows):
    e = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def load(directory):
    """Everything that those readers look at; a key that is missing raises."""
    def document(name):
        with open(os.path.join(directory, name), encoding='utf-8') as f:
            return json.load(f)
    c = {name: document(name + '.json') for name in ('experiment_metadata', 'results', 'parallel_sets', 'rope_positions')}
    for name in ('attention_weights', 'logits_distributions'):
        c[name] = np.load(os.path.join(directory, name + '.npz'), allow_pickle=False)
        for key in c[name].files:
            c[name][key]
    config = c['experiment_metadata']['config']
    assert isinstance(config['allow_intraset_token_visibility'], bool)
    assert config['description'] and config['experiment_name'] and isinstance(config['prompt'], str)
    results = c['results']
    assert isinstance(results['raw_generated_text'], str) and isinstance(results['generated_text'], str)
    assert results['generation_time'] > 0
    return c


def check_steps(c):
    attention, logits = c['attention_weights'], c['logits_distributions']
    # the first key that mentions attention must be an array of five dimensions
    first = attention[[k for k in attention.keys() if 'attention' in k][0]]
    assert first.ndim == 5 and first.shape[1] == 1
    steps = [int(k.split('_')[1]) for k in attention.files if k.endswith('_attention')]
    assert steps == [int(k.split('_')[1]) for k in logits.files if k.endswith('_logits')]
    assert steps == list(range(len(steps)))
    for i in steps:
        a, l = attention[f'step_{i}_attention'], logits[f'step_{i}_logits']
        layers, one, heads, rows, slots = a.shape
        assert a.dtype == np.float32 and l.dtype == np.float32 and one == 1 and l.shape[0] == rows
        assert np.abs(a.sum(axis=-1) - 1).max() < 1e-6
        for z in (attention, logits):
            assert z[f'step_{i}_logical'].shape == () and int(z[f'step_{i}_logical']) == i
            assert z[f'step_{i}_query_slots'].tolist() == list(range(slots - rows, slots))
            assert z[f'step_{i}_rope'].shape == (slots,) and z[f'step_{i}_rope'].dtype == np.float64
            assert len(z[f'step_{i}_positions']) == len(z[f'step_{i}_positions'].tolist())
        p = softmax(l.astype(np.float64))
        assert np.isfinite(p).all() and np.abs(p.sum(axis=-1) - 1).max() < 1e-9
    return steps


def check_sets(c, steps):
    sets, meta = c['parallel_sets'], c['experiment_metadata']
    attention = c['attention_weights']
    selected = [i for i in steps if len(attention[f'step_{i}_positions']) > 0]
    assert meta['num_steps'] == len(selected)
    assert meta['total_tokens'] == sum(len(attention[f'step_{i}_positions']) for i in selected)
    by_step = {s['step']: s for s in sets['parallel_sets']}
    for i in selected:
        slots = attention[f'step_{i}_positions'].tolist()
        if len(slots) > 1:
            s = by_step.pop(i)
            assert s['count'] == len(s['tokens']) == len(s['positions']) and s['positions'] == slots
    assert not by_step
    widths = [s['count'] for s in sets['parallel_sets']]
    assert sets['summary'] == {'total_parallel_steps': len(widths), 'max_parallel_width': max(widths, default=0)}
    rope = {int(k): v for k, v in c['rope_positions'].items()}
    last = attention[f'step_{steps[-1]}_rope']
    assert rope == dict(enumerate(last.tolist()))
    for s in sets['parallel_sets']:  # members of a set share a position
        assert len({rope[p] for p in s['positions'] if p in rope}) <= 1


def check_siblings(c):
    """What isolated members give each other, and visible ones."""
    visible = c['experiment_metadata']['config']['allow_intraset_token_visibility']
    largest = 0.0
    for s in c['parallel_sets']['parallel_sets']:
        key = f"step_{s['step'] + 1}_attention"
        if key not in c['attention_weights'].files:
            continue
        a, n = c['attention_weights'][key], s['count']
        siblings = a[..., -n:] * (1 - np.eye(n, dtype=np.float32))
        largest = max(largest, float(siblings.max()))
    assert (largest > 0) == visible, (largest, visible)


def check_manifest(directory):
    path = os.path.join(directory, 'manifest.json')
    if not os.path.exists(path):
        return  # an arm's: the manifest is above it
    with open(path, encoding='utf-8') as f:
        m = json.load(f)
    assert m['kind'] == 'generate' and len(m['model']['sha256']) == 64 and m['status'] == 'complete'
    names = []
    for base, _, files in os.walk(directory):
        names += [os.path.relpath(os.path.join(base, f), directory) for f in files]
    names.remove('manifest.json')
    assert [f['path'] for f in m['files']] == sorted(names), (m['files'], names)
    for f in m['files']:
        with open(os.path.join(directory, f['path']), 'rb') as g:
            data = g.read()
        assert len(data) == f['bytes'] and hashlib.sha256(data).hexdigest() == f['sha256']


def compare(a, b):
    """The comparison of an isolated with a visible run, on the steps whose shapes agree."""
    common = 0
    for key in a['attention_weights'].files:
        if key.endswith('_attention') and key in b['attention_weights'].files:
            x, y = a['attention_weights'][key], b['attention_weights'][key]
            if x.shape == y.shape:
                assert np.isfinite(np.abs(x - y).mean())
                common += 1
    assert common > 0
    # both read the same prompt: one pass, the same bits
    assert (a['logits_distributions']['step_0_logits'] == b['logits_distributions']['step_0_logits']).all()


captures = []
for path in sys.argv[1:]:
    capture = load(path)
    check_sets(capture, check_steps(capture))
    check_siblings(capture)
    check_manifest(path)
    captures.append(capture)
if len(captures) == 2:
    compare(*captures)
print(f'{len(captures)} captures as readers expect them')
