/* captured.c - a capture's directory as a run to patch from. */
#include "edit/edit.h"

tempo_status tempo_captured_store(tempo_store **out, const tempo_model *m, const char *dir,
                                  const tempo_tap_selection *tap, tempo_err *err)
{
    (void)m;
    (void)tap;
    *out = NULL;
    return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET, "there is no run '%.60s' to patch from", dir);
}
