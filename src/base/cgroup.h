/* cgroup.h - the control groups that hold this process, in which containers and batch systems set their limits.
 *
 * Source: cgroups(7); the kernel's cgroup-v2 document and its cgroup-v1 directory.  What cannot be read limits nothing.  */
#ifndef TEMPO_BASE_CGROUP_H
#define TEMPO_BASE_CGROUP_H
#include "base/status.h"

/* One group's directory; v2 tells which files are in it. */
typedef void (*tempo_cgroup_fn)(void *user, const char *dir, bool v2);

/* Call fn for every group that holds this process and has the controller ("cpu", "memory"), from the innermost to the
 * outermost that can be seen: each of them binds.  membership is a file like /proc/self/cgroup, mount a tree like
 * /sys/fs/cgroup, of version 1, 2 or both.  */
void tempo_cgroups(const char *membership, const char *mount, const char *controller, tempo_cgroup_fn fn, void *user);

/* Numbers at the start of a group's file, at most n of them, into v; how many there were. */
int tempo_cgroup_numbers(const char *dir, const char *name, long long *v, int n);

#endif
