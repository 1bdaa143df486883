/* model_numbers.c - single float values as elements of a type. */
#include "support/model_numbers.h"

#include <string.h>

#include "base/half.h"

void test_put_float(unsigned char *dst, tempo_dtype type, size_t i, float value)
{
    const uint16_t half = type == TEMPO_F16 ? tempo_float_to_f16(value) : tempo_float_to_bf16(value);

    if (type == TEMPO_F32)
        memcpy(dst + 4 * i, &value, 4);
    else
        memcpy(dst + 2 * i, &half, 2);
}

float test_get_float(const unsigned char *src, tempo_dtype type, size_t i)
{
    uint16_t half;
    float value;

    if (type == TEMPO_F32) {
        memcpy(&value, src + 4 * i, 4);
        return value;
    }
    memcpy(&half, src + 2 * i, 2);
    return type == TEMPO_F16 ? tempo_f16_to_float(half) : tempo_bf16_to_float(half);
}
