#!/usr/bin/env bash
# Decode with the built-in model in both modes and say what to try next.  Usage: tools/demo.sh PROGRAM
set -euo pipefail
tempo=${1:?usage: tools/demo.sh PROGRAM}

printf '\nThe built-in model continues a sentence.  A set [a/b/c] holds every token whose probability reached\n'
printf 'the threshold; its members share one position.  In the isolated mode siblings do not see each other,\n'
printf 'in the visible mode they do.  Both run side by side, in one batch:\n\n'
"$tempo" generate -p 'The cat sat on the' --paired --threshold 0.08 --steps 16

cat <<END

Next:
  $tempo generate -p 'Once upon a time' --threshold 0.05 --probs
  $tempo generate -p 'Once upon a time' --mode visible --jsonl
  $tempo generate -m MODEL.gguf -p 'Your text'     (or a Hugging Face directory, or org/name from its cache)
  $tempo inspect                                   what the model is made of
  $tempo experiment run all                        the five published experiments on this model
  $tempo study run                                 their hypotheses, tested over 126 prompts
  $tempo doctor                                    the exact identities, on this machine
  $tempo --help                                    all commands; the README has the C API

To type tempo alone, as the README does:  export PATH="$(cd "$(dirname "$tempo")" && pwd):\$PATH"
END
# A build may lack the server.
"$tempo" serve --help >/dev/null 2>&1 || exit 0
cat <<END

On a page, with sets, attention and both modes to look at:
  $tempo serve --open
END
