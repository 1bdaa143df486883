/* json_file.h - JSON documents that tests read. */
#ifndef TEMPO_TESTS_JSON_FILE_H
#define TEMPO_TESTS_JSON_FILE_H
#include <jansson.h>

/* The document of a file (json_decref); the test fails with the message if there is none. */
json_t *test_read_json(const char *path);

#endif
