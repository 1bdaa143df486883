/* guard.h - memory that ends where nothing is mapped: reading or writing one byte more ends the test. */
#ifndef TEMPO_TESTS_GUARD_H
#define TEMPO_TESTS_GUARD_H
#include <stddef.h>

typedef struct test_guard {
    void *base; /* the mapping */
    size_t size;
    void *p; /* [n] bytes that end at the unmapped page */
} test_guard;

/* n may be 0.  Aborts on failure.  With TEMPO_TEST_NO_GUARD in the environment the page is mapped after all. */
test_guard test_guard_create(size_t n);
void test_guard_free(test_guard *g);

#endif
