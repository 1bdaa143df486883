/* find_file.h - where the files that ship with the program are: experiments/ of the source tree or of an installation. */
#ifndef TEMPO_FILES_FIND_FILE_H
#define TEMPO_FILES_FIND_FILE_H
#include "base/status.h"

/* "exp1" or "exp1.yaml" -> the path of the shipped file in out[cap].  Looked up in the directory that
 * TEMPO_EXPERIMENTS names, then beside the program (../share/tempo/experiments, or experiments/ of the source tree
 * around the build), then where the program was configured to be installed.  A name with a slash is none of ours.
 * TEMPO_E_NOTFOUND with a message that says where was looked; TEMPO_E_LIMIT when the path is too long.  */
tempo_status tempo_study_find_file(const char *name, char *out, size_t cap, tempo_err *err) TEMPO_MUST_CHECK;

#endif
