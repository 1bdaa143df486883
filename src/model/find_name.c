/* find_name.c - what users call a model of the hub: ORG/NAME, and behind it @REVISION, /FILE and :TAG in any
 * order that can be told apart.  Source: huggingface_hub's rules for names of repositories.  */
#include <ctype.h>
#include <string.h>

#include "model/hub.h"

/* Length of the letters, digits, and . _ - (inside) at s; 0 if there is no such part. */
static size_t part_len(const char *s)
{
    size_t n = 0;

    while (isalnum((unsigned char)s[n]) || (s[n] != '\0' && strchr("._-", s[n]) != NULL))
        n++;
    return n == 0 || n > TEMPO_MAX_REPO_PART || s[0] == '.' || s[0] == '-' || s[n - 1] == '.' ||
                   s[n - 1] == '-'
               ? 0
               : n;
}

bool tempo_is_plain_path(const char *s)
{
    for (const char *part = s;;) {
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n <= 2 && strspn(part, ".") >= n))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
                return false;
        if (part[n] == '\0')
            return true;
        part += n + 1;
    }
}

/* The next of @REVISION, :TAG and /FILE; false when it is none, or there already. */
static bool read_suffix(tempo_repo_name *r, const char **s)
{
    char *to = **s == '@' ? r->revision : **s == ':' ? r->tag : **s == '/' ? r->file : NULL;
    const size_t n = strcspn(*s + 1, **s == '@' ? ":" : **s == ':' ? "@/" : "");

    if (to == NULL || to[0] != '\0' || n == 0 || n >= PATH_MAX)
        return false;
    memcpy(to, *s + 1, n);
    to[n] = '\0';
    *s += 1 + n;
    return tempo_is_plain_path(to);
}

bool tempo_repo_parse(const char *name, tempo_repo_name *r)
{
    size_t n = part_len(name);

    *r = (tempo_repo_name){.whole = name};
    if (n > 0 && name[n] == '/') {
        const size_t second = part_len(name + n + 1);
        n = second > 0 ? n + 1 + second : 0;
    }
    if (n == 0)
        return false;
    memcpy(r->repo, name, n);
    if (strstr(r->repo, "--") != NULL || strstr(r->repo, "..") != NULL)
        return false;
    for (const char *s = name + n; *s != '\0';)
        if (!read_suffix(r, &s))
            return false;
    return true;
}

bool tempo_repo_split_revision(tempo_repo_name *r, size_t end)
{
    if (r->file[0] != '\0')
        return false;
    memmove(r->file, r->revision + end + 1, strlen(r->revision + end + 1) + 1);
    r->revision[end] = '\0';
    return true;
}
