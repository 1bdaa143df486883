"""What a model is, by the names that TransformerLens has for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._library import text

__all__ = ["Config"]

_ACTIVATIONS = {"gelu_tanh": "gelu_new"}
_POSITIONS = {"learned": "standard"}


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of an open model.

    Attributes:
        n_layers, d_model, n_heads, d_head, d_mlp, d_vocab: sizes; d_vocab is the length of a row of logits.
        n_ctx: positions 0 .. n_ctx - 1.
        n_key_value_heads: heads of keys and values; n_heads unless queries share them.
        eps: of the norms.
        act_fn: of the MLP: ``"silu"``, ``"gelu_new"`` (by tanh), ``"gelu"``, ``"relu"``, ``"clamped_swiglu"``.
        normalization_type: ``"RMS"`` or ``"LN"``.
        positional_embedding_type: ``"rotary"``, ``"standard"`` (learned), ``"alibi"``, ``"none"``.
        gated_mlp, parallel_attn_mlp: two matrices before the activation; attention and MLP read the same stream.
        rotary_dim: elements of a head that rotate.
        num_experts, experts_per_token: None without experts.
        attn_scores_soft_cap, output_logits_soft_cap: 0 without.
        rotary_base: of rotary positions, 0 without.
        sliding_window: the smallest of the layers': a row sees positions above its own less it; None: none.
        model_name, original_architecture: what the file calls itself.
        path, format, kernels, compute, n_params: the file; the kernels in use; ``"exact"`` or ``"fast"``; elements of all tensors.
        tied_embeddings: the output matrix is the embedding.
        notes: what is odd about this model, in words; mostly empty.
    """

    n_layers: int
    d_model: int
    n_heads: int
    d_head: int
    d_mlp: int
    d_vocab: int
    n_ctx: int
    n_key_value_heads: int
    eps: float
    act_fn: str
    normalization_type: str
    positional_embedding_type: str
    gated_mlp: bool
    parallel_attn_mlp: bool
    rotary_dim: int
    num_experts: int | None
    experts_per_token: int | None
    attn_scores_soft_cap: float
    output_logits_soft_cap: float
    rotary_base: float
    sliding_window: int | None
    model_name: str
    original_architecture: str
    path: str
    format: str
    kernels: str
    compute: str
    n_params: int
    tied_embeddings: bool
    notes: tuple[str, ...]

    @classmethod
    def of(cls, info: Any, notes: tuple[str, ...]) -> Config:
        """From a ``tempo_model_info *``."""
        return cls(
            n_layers=info.n_layers,
            d_model=info.d_model,
            n_heads=info.n_heads,
            d_head=info.head_dim,
            d_mlp=info.d_ff,
            d_vocab=info.n_vocab,
            n_ctx=info.context_length,
            n_key_value_heads=info.n_kv_heads,
            eps=info.norm_eps,
            act_fn=_ACTIVATIONS.get(text(info.activation), text(info.activation)),
            normalization_type={"rms": "RMS", "layer": "LN"}[text(info.norm)],
            positional_embedding_type=_POSITIONS.get(text(info.positions), text(info.positions)),
            gated_mlp=info.gated_mlp,
            parallel_attn_mlp=info.parallel,
            rotary_dim=info.rotary_dim,
            num_experts=info.n_experts or None,
            experts_per_token=info.n_experts_used or None,
            attn_scores_soft_cap=info.attention_softcap,
            output_logits_soft_cap=info.logit_softcap,
            rotary_base=info.rope_theta,
            sliding_window=info.sliding_window or None,
            model_name=text(info.name),
            original_architecture=text(info.architecture),
            path=text(info.path),
            format=text(info.format),
            kernels=text(info.kernels),
            compute=text(info.compute),
            n_params=info.parameters,
            tied_embeddings=info.tied_output,
            notes=notes,
        )
