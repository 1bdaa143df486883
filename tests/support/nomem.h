/* nomem.h - memory that runs out on purpose.
 *
 * An executable that uses this is linked with --wrap for malloc, calloc, realloc, aligned_alloc, strdup and
 * strndup (cmake/tests.cmake); every such call of our own objects is then counted.  Libraries are not.  */
#ifndef TEMPO_TESTS_NOMEM_H
#define TEMPO_TESTS_NOMEM_H
#include <stdbool.h>
#include <stddef.h>

/* Let the k-th allocation from now (0: the next) fail, once. */
void test_fail_allocation(size_t k);
/* No more failures; true if one happened since test_fail_allocation. */
bool test_allocation_failed(void);

#endif
