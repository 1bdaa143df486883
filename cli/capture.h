/* capture.h - what commands that capture have in common: reading --max-capture, telling sizes. */
#ifndef TEMPO_CLI_CAPTURE_H
#define TEMPO_CLI_CAPTURE_H
#include <tempo.h>

/* "500MB", "2.5GB", "1000" -> bytes, kB = 1000; false when it is no size. */
bool parse_bytes(const char *text, uint64_t *out);
/* "12.3 MB"; out[32] is returned. */
const char *bytes_text(uint64_t bytes, char out[32]);
/* Does dir hold anything?  false too if it is not there. */
bool has_entries(const char *dir);

#endif
