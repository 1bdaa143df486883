/* memory.h - how much memory this process may still take: of the machine, and of the control groups that hold it.
 *
 * Beyond the limit of a group the system ends the process without a word; so what is large is asked for here first.  */
#ifndef TEMPO_BASE_MEMORY_H
#define TEMPO_BASE_MEMORY_H
#include "base/status.h"

typedef struct tempo_memory {
    uint64_t total;     /* the machine's, or the smallest limit */
    uint64_t available; /* without taking it from other processes: free, or in caches that can be emptied; the least that the
                         * machine and each limit leave */
    uint64_t swap;      /* of the machine, free; no limit leaves more than `available` */
    bool limited;       /* a group leaves less than the machine has */
} tempo_memory;

/* Of the system whose /proc and /sys/fs/cgroup lie below root ("" for this one).  Bytes; UINT64_MAX where nothing is said. */
tempo_memory tempo_memory_read(const char *root);

/* May so many bytes more be taken?  TEMPO_E_NOMEM, naming `what` and both figures, where the system would have to end a
 * process; a part is left alone for what is not asked for.  */
tempo_status tempo_memory_check(uint64_t bytes, const char *what, tempo_err *err) TEMPO_MUST_CHECK;
/* The same for so many floats, where they are enough to ask (4 MiB): what is asked is read from files of the system. */
tempo_status tempo_memory_check_floats(size_t floats, const char *what, tempo_err *err) TEMPO_MUST_CHECK;

#endif
