/* cgroup.c - from the list of a process's groups to their directories. */
#include "base/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tempo_cgroup_numbers(const char *dir, const char *name, long long *v, int n)
{
    char path[PATH_MAX + 64];
    FILE *f =
        (size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path) ? fopen(path, "re") : NULL;
    int got = 0;

    if (f == NULL)
        return 0;
    while (got < n && fscanf(f, "%19lld", &v[got]) == 1)
        got++;
    (void)fclose(f);
    return got;
}

/* A group and all above it, up to where its hierarchy is mounted. */
static void walk(const char *mount, const char *hierarchy, const char *group, bool v2, tempo_cgroup_fn fn,
                 void *user)
{
    char dir[PATH_MAX];
    const int root = snprintf(dir, sizeof(dir), "%s%s", mount, hierarchy);

    if (root < 0 || root >= PATH_MAX)
        return;
    const int whole = snprintf(dir, sizeof(dir), "%s%s%s", mount, hierarchy, group);
    if (whole < root || whole >= PATH_MAX)
        return;
    for (size_t len = (size_t)whole;;) {
        while (len > (size_t)root && dir[len - 1] == '/')
            len--;
        dir[len] = '\0';
        fn(user, dir, v2);
        if (len <= (size_t)root)
            return;
        while (len > (size_t)root && dir[len - 1] != '/')
            len--;
    }
}

static bool has_controller(const char *controllers, const char *name)
{
    for (const char *p = controllers; *p != '\0';) {
        const size_t n = strcspn(p, ",");
        if (n == strlen(name) && memcmp(p, name, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

void tempo_cgroups(const char *membership, const char *mount, const char *controller, tempo_cgroup_fn fn,
                   void *user)
{
    FILE *f = fopen(membership, "re");
    char *line = NULL, hierarchy[128];
    size_t cap = 0;

    if (f == NULL)
        return;
    while (getline(&line, &cap, f) > 0) { /* ID:CONTROLLERS:GROUP, no controllers in version 2 */
        char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *controllers++ = '\0';
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        const bool v2 = *controllers == '\0';
        if ((!v2 && !has_controller(controllers, controller)) || strlen(controllers) + 2 > sizeof(hierarchy))
            continue;
        (void)snprintf(hierarchy, sizeof(hierarchy), "%s%s", v2 ? "" : "/", controllers);
        walk(mount, hierarchy, group, v2, fn, user);
    }
    free(line);
    (void)fclose(f);
}
