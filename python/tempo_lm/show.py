"""Sets as HTML for notebooks: a row for each arm, a column for each step, the members one under another with bars as long as they are probable.

Static: HTML and CSS, no script, nothing that is fetched.  Token texts are anybody's: they are escaped, and characters that would turn, hide
or break what stands around them are written as their numbers.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .captures import Capture, load_capture

if TYPE_CHECKING:
    from .results import Arm, Decoded, Set

__all__ = ["sets_html", "sibling_attention", "visible_text"]

MAX_STEPS = 256
MAX_MEMBERS = 24
MAX_TEXT = 48

# slot of the reader -> slot of what it reads -> mean attention
Attention = Mapping[int, Mapping[int, float]]

_STYLE = """\
.tempo{--ink:#1c2024;--dim:#6b7280;--line:#d9dde2;--bar:#bcd7f5;--mark:#b45309;--page:#fff;color:var(--ink);font:13px/1.5 ui-monospace,monospace}
@media(prefers-color-scheme:dark){.tempo{--ink:#e6e8eb;--dim:#9aa3ae;--line:#3a4048;--bar:#2b4c73;--mark:#f0b25a;--page:#1b1e22}}
[data-jp-theme-light=true] .tempo{--ink:#1c2024;--dim:#6b7280;--line:#d9dde2;--bar:#bcd7f5;--mark:#b45309;--page:#fff}
[data-jp-theme-light=false] .tempo{--ink:#e6e8eb;--dim:#9aa3ae;--line:#3a4048;--bar:#2b4c73;--mark:#f0b25a;--page:#1b1e22}
.tempo-wide{overflow-x:auto;padding-bottom:2px}
.tempo table{border-collapse:collapse;margin:0;background:none}
.tempo th,.tempo td{border:1px solid var(--line);padding:2px 4px;text-align:left;vertical-align:top;background:none;color:var(--ink)}
.tempo th{font-weight:normal;color:var(--dim)}
.tempo th.tempo-differs{color:var(--mark);font-weight:bold}
.tempo-member{position:relative;display:flex;gap:8px;justify-content:space-between;min-width:8em;padding:0 3px}
.tempo-member.tempo-out .tempo-token{text-decoration:underline dotted}
.tempo-bar{position:absolute;left:0;top:1px;bottom:1px;background:var(--bar);z-index:0}
.tempo-token,.tempo-q{position:relative;z-index:1;white-space:pre;unicode-bidi:isolate}
.tempo-q,.tempo-note{color:var(--dim)}
.tempo-siblings{display:none;position:absolute;z-index:2;left:0;top:100%;padding:3px 6px;background:var(--page);border:1px solid var(--line);white-space:pre}
.tempo-member:hover .tempo-siblings,.tempo-member:focus .tempo-siblings{display:block}
"""

_SIGNS = {"\n": "\u23ce", "\t": "\u21e5", "\r": "\u240d"}
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible_text(text: str) -> str:
    """A token's text such that each character of it is seen, of at most MAX_TEXT characters."""
    shown = []
    for i, c in enumerate(text):
        if i == MAX_TEXT:
            shown.append("\u2026")
            break
        hidden = unicodedata.category(c) in _HIDDEN
        shown.append(_SIGNS.get(c) or (f"<{ord(c):04X}>" if hidden else c))
    return "".join(shown)


def _escaped(text: str) -> str:
    return html.escape(visible_text(text), quote=True)


def sibling_attention(capture: Capture, arm: Arm) -> dict[int, dict[int, float]]:
    """Mean attention, over the layers and heads of a capture, of each member of a set on each other one: slot -> slot -> attention.

    A set is read in the step behind its own; sets that no captured step has read (the last one without a closing pass) are left out.
    """
    found: dict[int, dict[int, float]] = {}
    for of in arm.sets:
        name = f"step_{of.step + 1}_attention"
        slots = [m.slot for m in of.members if m.slot is not None]
        if name not in capture or len(slots) < 2:
            continue
        values = np.asarray(capture[name])  # [layers, 1, heads, rows, slots]
        if values.ndim != 5 or values.shape[3] != len(slots) or max(slots) >= values.shape[4]:
            continue
        order = sorted(slots)  # rows are in the order of their slots
        mean = values.mean(axis=(0, 1, 2), dtype=np.float64)
        for row, reader in enumerate(order):
            found[reader] = {other: float(mean[row, other]) for other in order if other != reader}
    return found


def _attention_of(result: Decoded) -> dict[str, Attention]:
    """By arm; empty where nothing of it was captured or can be read any more."""
    if result.capture_dir is None:
        return {}
    try:
        captures = load_capture(result.capture_dir)
        by_arm = {next(iter(result.arms)): captures} if isinstance(captures, Capture) else captures
        return {name: sibling_attention(by_arm[name], arm) for name, arm in result.arms.items() if name in by_arm}
    except (OSError, ValueError, KeyError):
        return {}


def _siblings(reads: Mapping[int, float], texts: Mapping[int, str]) -> str:
    rows = sorted(reads.items(), key=lambda pair: -pair[1])[:MAX_MEMBERS]
    lines = [f"{value:.4f}  {_escaped(texts[slot])}" for slot, value in rows if slot in texts]
    return f'<span class="tempo-siblings">attention on siblings\n{chr(10).join(lines)}</span>'


def _cell(of: Set, attention: Attention) -> str:
    texts = {m.slot: m.text for m in of.members if m.slot is not None}
    parts = []
    for m in of.members[:MAX_MEMBERS]:
        reads = attention.get(m.slot, {}) if m.slot is not None else {}
        siblings = _siblings(reads, texts) if reads else ""
        out = "" if m.slot is not None else " tempo-out"
        width = min(max(m.probability, 0.0), 1.0) * 100
        parts.append(
            f'<div class="tempo-member{out}" title="id {m.id}, q {m.probability:.6g}"{" tabindex=0" if reads else ""}>'
            f'<span class="tempo-bar" style="width:{width:.2f}%"></span>'
            f'<span class="tempo-token">{_escaped(m.text)}</span><span class="tempo-q">{m.probability:.3f}</span>{siblings}</div>'
        )
    if len(of.members) > MAX_MEMBERS:
        parts.append(f'<div class="tempo-note">{len(of.members) - MAX_MEMBERS} more</div>')
    return f"<td>{''.join(parts)}</td>"


def sets_html(
    arms: Sequence[Arm],
    *,
    note: str = "",
    differs: int | None = None,
    attention: Mapping[str, Attention] | None = None,
) -> str:
    """One table of some arms: step by step side by side, so that the same step of all arms stands in one column.

    Args:
        note: a line above it.
        differs: the step from which on sets of the arms differ, which is marked.
        attention: of each arm, what sibling_attention gives; it is seen where the pointer is.
    """
    steps = sorted({s.step for arm in arms for s in arm.sets})
    shown = steps[:MAX_STEPS]
    rows = []
    for arm in arms:
        by_step = {s.step: s for s in arm.sets}
        reads = (attention or {}).get(arm.name, {})
        cells = [_cell(by_step[i], reads) if i in by_step else "<td></td>" for i in shown]
        name = f'{_escaped(arm.name)}<br><span class="tempo-note">{_escaped(arm.stopped)}</span>'
        rows.append(f"<tr><th scope=row>{name}</th>{''.join(cells)}</tr>")
    heads = [f"<th scope=col{' class=tempo-differs' if i == differs else ''}>{i}</th>" for i in shown]
    if len(steps) > len(shown):
        note += f"{'; ' if note else ''}the first {len(shown)} of {len(steps)} steps"
    above = f'<div class="tempo-note">{html.escape(note)}</div>' if note else ""
    # below the last row there must be room for what hangs from it, or the box around would cut it off
    last = arms[-1].sets if arms and (attention or {}).get(arms[-1].name) else []
    room = max((min(len(s), MAX_MEMBERS) for s in last), default=0)
    below = f' style="padding-bottom:{1.5 * room + 1:.1f}em"' if room else ""
    table = f"<table><thead><tr><th></th>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="tempo"><style>{_STYLE}</style>{above}<div class="tempo-wide"{below}>{table}</div></div>'


def decoded_html(result: Decoded) -> str:
    """All arms of a run."""
    differs = (result.first_difference or {}).get("set")
    note = f"{len(result.prompt)} tokens of prompt"
    if differs is not None:
        note += f"; sets differ from step {differs} on"
    if result.interrupted:
        note += "; interrupted"
    return sets_html(list(result.arms.values()), note=note, differs=differs, attention=_attention_of(result))


def set_html(of: Set) -> str:
    """One set as an arm of one step."""
    from .results import Arm

    return sets_html([Arm(of.arm, [of], f"step {of.step}")])
