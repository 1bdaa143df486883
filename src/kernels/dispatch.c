/* dispatch.c - which instruction sets this machine has, and filling the table with the best bodies. */
#include "kernels/kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* The register sets that the operating system saves on a task switch. */
static uint64_t saved_state(void)
{
    uint32_t a, d;

    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (uint64_t)d << 32 | a;
}

uint32_t tempo_cpu_detect(void)
{
    const uint32_t need = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C, ymm = 0x6; /* XMM and YMM */
    uint32_t a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & need) != need || (saved_state() & ymm) != ymm)
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & bit_AVX2) == 0)
        return 0;
    return TEMPO_CPU_AVX2;
}
#else
uint32_t tempo_cpu_detect(void)
{
    return 0;
}
#endif

bool tempo_cpu_from_name(const char *name, uint32_t *cpu)
{
    const uint32_t have = tempo_cpu_detect();

    *cpu = 0;
    if (name == NULL || strcmp(name, "auto") == 0)
        *cpu = have;
    else if (strcmp(name, "avx2") == 0)
        *cpu = have & TEMPO_CPU_AVX2;
    else
        return strcmp(name, "scalar") == 0;
    return *cpu != 0 || name == NULL || strcmp(name, "auto") == 0;
}

void tempo_kernels_init(tempo_kernels *k, uint32_t cpu)
{
    tempo_kernels_init_scalar(k);
#if defined(__x86_64__)
    if ((cpu & TEMPO_CPU_AVX2) != 0)
        tempo_kernels_init_avx2(k);
#else
    (void)cpu;
#endif
}
