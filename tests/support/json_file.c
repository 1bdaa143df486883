#include "support/json_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/json.h"

json_t *test_read_json(const char *path)
{
    tempo_err err = {0};
    json_t *o;

    if (tempo_json_load(&o, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return o;
}
