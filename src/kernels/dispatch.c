/* dispatch.c - which instruction sets this machine has, and filling the table with the best bodies. */
#include "kernels/kernels.h"

#include <string.h>

static bool all_of(uint32_t have, uint32_t want)
{
    return (have & want) == want;
}

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Register sets that the operating system saves on a task switch (XCR0). */
#define SAVED_YMM UINT64_C(0x6)
#define SAVED_ZMM UINT64_C(0xe6)
#define SAVED_TILES UINT64_C(0x60000)

/* Feature bits of leaf 7 that <cpuid.h> does not name everywhere. */
#define EBX_AVX512_F_DQ_BW_VL (1u << 16 | 1u << 17 | 1u << 30 | 1u << 31)
#define ECX_AVX512_VNNI (1u << 11)
#define EDX_AMX_BF16_TILE_INT8 (1u << 22 | 1u << 24 | 1u << 25)
#define SUB_1_EAX_AVX_VNNI (1u << 4)
#define SUB_1_EAX_AVX512_BF16 (1u << 5)

static uint64_t saved_state(void)
{
    uint32_t a, d;

    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (uint64_t)d << 32 | a;
}

/* Linux saves the big tiles only for processes that asked; threads inherit the permission. */
static bool may_use_tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

uint32_t tempo_cpu_detect(void)
{
    uint32_t a, b, c, d, a1 = 0, b1, c1, d1, cpu = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !all_of(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return 0;
    const uint64_t saved = saved_state();
    if ((saved & SAVED_YMM) != SAVED_YMM || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !all_of(b, bit_AVX2))
        return 0;
    if (a >= 1)
        (void)__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);
    cpu = TEMPO_CPU_AVX2;
    if (all_of(a1, SUB_1_EAX_AVX_VNNI))
        cpu |= TEMPO_CPU_AVX_VNNI;
    if ((saved & SAVED_ZMM) != SAVED_ZMM || !all_of(b, EBX_AVX512_F_DQ_BW_VL))
        return cpu;
    cpu |= TEMPO_CPU_AVX512;
    if (!all_of(c, ECX_AVX512_VNNI))
        return cpu;
    cpu |= TEMPO_CPU_AVX512_VNNI;
#ifdef TEMPO_EMULATE
    if (all_of(a1, SUB_1_EAX_AVX512_BF16))
        return cpu | TEMPO_CPU_AVX_VNNI | TEMPO_CPU_AMX;
#endif
    if (all_of(d, EDX_AMX_BF16_TILE_INT8) && all_of(a1, SUB_1_EAX_AVX512_BF16) &&
        (saved & SAVED_TILES) == SAVED_TILES && may_use_tiles())
        cpu |= TEMPO_CPU_AMX;
    return cpu;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

uint32_t tempo_cpu_detect(void)
{
    enum { CAP_ASIMD = 1 << 1, CAP_ASIMDDP = 1 << 20, CAP2_I8MM = 1 << 13 };
    const unsigned long cap = getauxval(AT_HWCAP), cap2 = getauxval(AT_HWCAP2);
    uint32_t cpu = 0;

    if ((cap & CAP_ASIMD) == 0)
        return 0;
    cpu = TEMPO_CPU_NEON;
    if ((cap & CAP_ASIMDDP) != 0)
        cpu |= TEMPO_CPU_DOTPROD | ((cap2 & CAP2_I8MM) != 0 ? TEMPO_CPU_I8MM : 0);
    return cpu;
}
#elif defined(__aarch64__)
uint32_t tempo_cpu_detect(void)
{
    return TEMPO_CPU_NEON; /* part of the architecture */
}
#else
uint32_t tempo_cpu_detect(void)
{
    return 0;
}
#endif

/* What --cpu calls them; each uses all features of its line. */
static const struct path {
    const char *name;
    uint32_t cpu;
} paths[] = {
    {"scalar", 0},
    {"avx2", TEMPO_CPU_AVX2},
    {"avx2-vnni", TEMPO_CPU_AVX2 | TEMPO_CPU_AVX_VNNI},
    {"avx512", TEMPO_CPU_AVX2 | TEMPO_CPU_AVX512},
    {"avx512-vnni", TEMPO_CPU_AVX2 | TEMPO_CPU_AVX512 | TEMPO_CPU_AVX512_VNNI},
    {"amx", TEMPO_CPU_AVX2 | TEMPO_CPU_AVX512 | TEMPO_CPU_AVX512_VNNI | TEMPO_CPU_AMX},
    {"neon", TEMPO_CPU_NEON},
    {"neon-dotprod", TEMPO_CPU_NEON | TEMPO_CPU_DOTPROD},
    {"neon-i8mm", TEMPO_CPU_NEON | TEMPO_CPU_DOTPROD | TEMPO_CPU_I8MM},
};
enum { N_PATHS = sizeof(paths) / sizeof(*paths) };

const char *tempo_cpu_name(size_t i)
{
    const uint32_t have = tempo_cpu_detect();

    for (size_t p = 0; p < N_PATHS; p++)
        if (all_of(have, paths[p].cpu) && i-- == 0)
            return paths[p].name;
    return NULL;
}

bool tempo_cpu_from_name(const char *name, uint32_t *cpu)
{
    const uint32_t have = tempo_cpu_detect();

    *cpu = have;
    if (name == NULL || strcmp(name, "auto") == 0)
        return true;
    for (size_t p = 0; p < N_PATHS; p++)
        if (strcmp(name, paths[p].name) == 0 && all_of(have, paths[p].cpu)) {
            *cpu = paths[p].cpu;
            return true;
        }
    *cpu = 0;
    return false;
}

void tempo_kernels_init(tempo_kernels *k, uint32_t cpu, tempo_compute compute)
{
    const bool fast = compute == TEMPO_FAST;

    tempo_kernels_init_scalar(k);
#if defined(__x86_64__) /* each builds on the bodies before it */
    if (all_of(cpu, TEMPO_CPU_AVX2))
        tempo_kernels_init_avx2(k);
    if (all_of(cpu, TEMPO_CPU_AVX2 | TEMPO_CPU_AVX_VNNI))
        tempo_kernels_init_avx_vnni(k);
    if (all_of(cpu, TEMPO_CPU_AVX512))
        tempo_kernels_init_avx512(k);
    if (all_of(cpu, TEMPO_CPU_AVX512 | TEMPO_CPU_AVX512_VNNI))
        tempo_kernels_init_avx512_vnni(k);
    if (fast && all_of(cpu, TEMPO_CPU_AVX2))
        (all_of(cpu, TEMPO_CPU_AVX512 | TEMPO_CPU_AVX512_VNNI) ? tempo_kernels_init_avx512_vnni_fast
         : all_of(cpu, TEMPO_CPU_AVX512)                       ? tempo_kernels_init_avx512_fast
         : all_of(cpu, TEMPO_CPU_AVX_VNNI)                     ? tempo_kernels_init_avx_vnni_fast
                                                               : tempo_kernels_init_avx2_fast)(k);
    if (all_of(cpu, TEMPO_CPU_AVX512 | TEMPO_CPU_AVX512_VNNI | TEMPO_CPU_AMX))
        tempo_kernels_init_amx(k, compute);
#elif defined(__aarch64__)
    if (all_of(cpu, TEMPO_CPU_NEON))
        tempo_kernels_init_neon(k);
    if (all_of(cpu, TEMPO_CPU_NEON | TEMPO_CPU_DOTPROD))
        tempo_kernels_init_dotprod(k);
    if (all_of(cpu, TEMPO_CPU_NEON | TEMPO_CPU_DOTPROD | TEMPO_CPU_I8MM))
        tempo_kernels_init_i8mm(k);
    if (fast && all_of(cpu, TEMPO_CPU_NEON))
        (all_of(cpu, TEMPO_CPU_DOTPROD) ? tempo_kernels_init_dotprod_fast : tempo_kernels_init_neon_fast)(k);
#endif
    k->cpu = cpu;
    k->compute = compute;
}

uint32_t tempo_activation_bits(const tempo_kernels *k, tempo_dtype type)
{
    switch (k->form[type]) {
    case TEMPO_FORM_INTEGER:
        return 16;
    case TEMPO_FORM_BYTES:
        return 8;
    case TEMPO_FORM_BF16:
        return k->compute == TEMPO_FAST ? 8 : 16;
    case TEMPO_FORM_BF16_ROWS:
        return 8;
    default:
        return 24;
    }
}
