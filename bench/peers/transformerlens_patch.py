#!/usr/bin/env python3
"""The grid of `tempo patch`, computed by TransformerLens: residual stream by layer and position, z by layer and head.

Run by hand, with a torch and TransformerLens of your own (docs/interventions.md has the versions):
    transformerlens_patch.py MODEL.gguf CLEAN CORRUPT FIRST SECOND OUT.npz [THREADS [BATCHES]]
MODEL.gguf: a llama.  CLEAN, CORRUPT: token ids with commas, as many in both; FIRST, SECOND: ids of the two answers, whose difference
of logits is the metric.  Each batch size of 8, 16, .. 128 variants is timed, the best is reported, and its grids are written:
resid_pre [layers, positions], z [layers, heads], the raw metric of the corrupt run with that one value of the clean one.
"""
import sys
import time

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights
from transformers import LlamaConfig, LlamaForCausalLM


def tensors(path):
    reader = GGUFReader(path)
    meta = {k: f.contents() for k, f in reader.fields.items() if k.startswith("llama.")}
    return meta, {t.name: torch.from_numpy(np.array(dequantize(t.data, t.tensor_type), np.float32)) for t in reader.tensors}


def unpermuted(w, heads):
    """Rows of Q and K lie as adjacent pairs in such a file; transformers rotates halves."""
    return w.reshape(heads, w.shape[0] // heads // 2, 2, w.shape[1]).transpose(1, 2).reshape(w.shape)


def load(path):
    meta, t = tensors(path)
    heads, kv_heads = meta["llama.attention.head_count"], meta["llama.attention.head_count_kv"]
    vocab, width = t["token_embd.weight"].shape
    config = LlamaConfig(
        hidden_size=width, intermediate_size=meta["llama.feed_forward_length"], num_hidden_layers=meta["llama.block_count"],
        num_attention_heads=heads, num_key_value_heads=kv_heads, vocab_size=vocab,
        rms_norm_eps=meta["llama.attention.layer_norm_rms_epsilon"], rope_theta=meta.get("llama.rope.freq_base", 1e4),
        max_position_embeddings=2048, tie_word_embeddings=False)
    names = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
             "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    state = {"model.embed_tokens.weight": t["token_embd.weight"], "model.norm.weight": t["output_norm.weight"],
             "lm_head.weight": t.get("output.weight", t["token_embd.weight"])}
    for layer in range(config.num_hidden_layers):
        for gguf, hf in names.items():
            w = t[f"blk.{layer}.{gguf}.weight"]
            if gguf in ("attn_q", "attn_k"):
                w = unpermuted(w, heads if gguf == "attn_q" else kv_heads)
            state[f"model.layers.{layer}.{hf}.weight"] = w
    peer = LlamaForCausalLM(config)
    peer.load_state_dict(state)
    cfg = HookedTransformerConfig(
        d_model=width, n_layers=config.num_hidden_layers, n_heads=heads, n_key_value_heads=kv_heads, d_head=width // heads,
        d_mlp=config.intermediate_size, n_ctx=256, d_vocab=vocab, act_fn="silu", normalization_type="RMS", eps=config.rms_norm_eps,
        positional_embedding_type="rotary", rotary_dim=width // heads, rotary_base=config.rope_theta, rotary_adjacent_pairs=False,
        gated_mlp=True, final_rms=True, original_architecture="LlamaForCausalLM", device="cpu", dtype=torch.float32)
    model = HookedTransformer(cfg)
    model.load_and_process_state_dict(convert_llama_weights(peer, cfg), fold_ln=False, center_writing_weights=False,
                                      center_unembed=False, fold_value_biases=False)
    return model


def grid(model, corrupt, clean_cache, answers, batch):
    """All cells, `batch` variants in a pass."""
    layers, heads, n = model.cfg.n_layers, model.cfg.n_heads, corrupt.shape[1]
    cells = [("resid_pre", layer, p) for layer in range(layers) for p in range(n)]
    cells += [("z", layer, h) for layer in range(layers) for h in range(heads)]
    out = {"resid_pre": np.zeros((layers, n)), "z": np.zeros((layers, heads))}
    for begin in range(0, len(cells), batch):
        part = cells[begin:begin + batch]
        hooks = []
        for row, (tap, layer, where) in enumerate(part):
            name = f"blocks.{layer}.hook_resid_pre" if tap == "resid_pre" else f"blocks.{layer}.attn.hook_z"

            def patch(value, hook, row=row, tap=tap, where=where):
                if tap == "resid_pre":
                    value[row, where] = clean_cache[hook.name][0, where]
                else:
                    value[row, :, where] = clean_cache[hook.name][0, :, where]
                return value

            hooks.append((name, patch))
        logits = model.run_with_hooks(corrupt.expand(len(part), -1), fwd_hooks=hooks)[:, -1]
        for row, (tap, layer, where) in enumerate(part):
            out[tap][layer, where] = (logits[row, answers[0]] - logits[row, answers[1]]).item()
    return out, len(cells)


def main():
    path, clean, corrupt, first, second, target = sys.argv[1:7]
    torch.set_num_threads(int(sys.argv[7]) if len(sys.argv) > 7 else 2)
    torch.set_grad_enabled(False)
    model = load(path)
    clean, corrupt = (torch.tensor([[int(i) for i in ids.split(",")]]) for ids in (clean, corrupt))
    answers = int(first), int(second)
    names = lambda name: name.endswith("hook_resid_pre") or name.endswith("attn.hook_z")
    _, cache = model.run_with_cache(clean, names_filter=names)
    best = None
    for batch in [int(b) for b in sys.argv[8].split(",")] if len(sys.argv) > 8 else (8, 16, 32, 64, 128):
        begin = time.perf_counter()
        out, cells = grid(model, corrupt, cache, answers, batch)
        seconds = time.perf_counter() - begin
        print(f"batch {batch:3}: {cells} cells in {seconds:.2f} s, {cells / seconds:.1f} cells/s", flush=True)
        if best is None or seconds < best[0]:
            best = seconds, batch, out
    print(f"best: batch {best[1]}, {best[0]:.2f} s")
    np.savez(target, **best[2])


if __name__ == "__main__":
    main()
