"""A user's file, which mypy --strict checks against the installed package."""

import tempo_lm as tl


def main() -> None:
    with tl.Model.from_pretrained() as m:
        logits = m(m.to_tokens("The cat sat on the"))
        print(tl.__version__, m.cfg.n_layers, logits.shape, float(logits[-1].max()))


if __name__ == "__main__":
    main()
