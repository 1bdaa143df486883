/* abi.c - what a caller that was not compiled with tempo.h can check before its first call. */
#include "tempo.h"

#define STRUCT(type)                                                                                         \
    {                                                                                                        \
#type, sizeof(type)                                                                                  \
    }

/* Every struct of tempo.h (test_api.c compares). */
static const struct {
    const char *name;
    size_t size;
} structs[] = {
    STRUCT(tempo_err),
    STRUCT(tempo_model_options),
    STRUCT(tempo_model_info),
    STRUCT(tempo_tensor_info),
    STRUCT(tempo_synth_options),
    STRUCT(tempo_converted),
    STRUCT(tempo_convert_options),
    STRUCT(tempo_tokenizer_info),
    STRUCT(tempo_message),
    STRUCT(tempo_chat_options),
    STRUCT(tempo_conversation),
    STRUCT(tempo_engine_options),
    STRUCT(tempo_seq_options),
    STRUCT(tempo_slot),
    STRUCT(tempo_row),
    STRUCT(tempo_tap_info),
    STRUCT(tempo_tap_selection),
    STRUCT(tempo_tap_view),
    STRUCT(tempo_observer),
    STRUCT(tempo_stage),
    STRUCT(tempo_edit_array),
    STRUCT(tempo_edit_run),
    STRUCT(tempo_edit_inputs),
    STRUCT(tempo_edit_use),
    STRUCT(tempo_decode_options),
    STRUCT(tempo_member),
    STRUCT(tempo_set),
    STRUCT(tempo_capture_options),
    STRUCT(tempo_run_arm),
    STRUCT(tempo_given_set),
    STRUCT(tempo_sampling),
    STRUCT(tempo_sink),
    STRUCT(tempo_run_options),
    STRUCT(tempo_run_prompt),
    STRUCT(tempo_run_differences),
    STRUCT(tempo_patch_run),
    STRUCT(tempo_patch_options),
    STRUCT(tempo_patch_info),
    STRUCT(tempo_patch_grid),
    STRUCT(tempo_score_text),
    STRUCT(tempo_score_options),
    STRUCT(tempo_score),
    STRUCT(tempo_sweep_prompt),
    STRUCT(tempo_sweep_run),
    STRUCT(tempo_sweep_options),
    STRUCT(tempo_merge_options),
    STRUCT(tempo_lens_options),
    STRUCT(tempo_lens),
    STRUCT(tempo_attribution_options),
    STRUCT(tempo_attribution),
    STRUCT(tempo_trace_options),
    STRUCT(tempo_trace_effect),
    STRUCT(tempo_trace_cell),
    STRUCT(tempo_trace),
    STRUCT(tempo_trace_cost),
};

unsigned tempo_abi_version(void)
{
    return TEMPO_ABI;
}

const char *tempo_abi_struct(size_t i, size_t *size)
{
    const bool there = i < sizeof(structs) / sizeof(*structs);

    *size = there ? structs[i].size : 0;
    return there ? structs[i].name : NULL;
}
