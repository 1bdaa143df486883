#include "support/guard.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

test_guard test_guard_create(size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (n + page) / page * page;
    test_guard g = {.size = body + page};

    g.base = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.base == MAP_FAILED)
        abort();
    if (getenv("TEMPO_TEST_NO_GUARD") == NULL && mprotect((char *)g.base + body, page, PROT_NONE) != 0)
        abort();
    g.p = (char *)g.base + body - n;
    return g;
}

void test_guard_free(test_guard *g)
{
    (void)munmap(g->base, g->size);
    *g = (test_guard){0};
}
