/* Looking names up in the option table: exactly, and by likeness for the error text of an unknown name. Called by the
 * parser and the table's printers.
 *
 * A linear search: some fifty short names, a handful of look-ups a request; a hash would have to be kept right for less
 * than a microsecond. */
#include "query_option.h"

#include <string.h>

#define NAME_MAX_LEN 31

/* The next of the comma-separated aliases at *p, or false. */
static bool next_alias(const char **p, const char **name, size_t *n, bool *negated)
{
    if (!**p)
        return false;
    *negated = **p == '!';
    *name = *p + *negated;
    *n = strcspn(*name, ",");
    *p = *name + *n + ((*name)[*n] == ',');
    return true;
}

static bool same(const char *a, size_t an, const char *b, size_t bn)
{
    return an == bn && !memcmp(a, b, an);
}

const struct query_option *query_option_find(const char *name, size_t n, bool *negated)
{
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        const char *p = o->aliases, *alias;
        size_t alias_n;
        bool not = false, found = same(name, n, o->name, strlen(o->name));
        while (!found && next_alias(&p, &alias, &alias_n, &not ))
            found = same(name, n, alias, alias_n);
        if (!found)
            continue;
        if (negated)
            *negated = not ;
        return o;
    }
    return NULL;
}

static int least(int a, int b, int c)
{
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein 1966, one row at a time; names beyond NAME_MAX_LEN are cut. */
static int distance(const char *a, size_t an, const char *b, size_t bn)
{
    int row[NAME_MAX_LEN + 1];
    an = an > NAME_MAX_LEN ? NAME_MAX_LEN : an;
    bn = bn > NAME_MAX_LEN ? NAME_MAX_LEN : bn;
    for (size_t j = 0; j <= bn; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= an; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= bn; j++) {
            int above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[bn];
}

struct nearest {
    const char *name;      /* what is looked for */
    const char *candidate; /* the nearest so far, n bytes */
    size_t n;
    int distance;
};

static void consider(struct nearest *best, const char *candidate, size_t n)
{
    int d = distance(best->name, strlen(best->name), candidate, n);
    if (d < best->distance)
        *best = (struct nearest){ best->name, candidate, n, d };
}

const char *query_option_nearest(const char *name, char *out, size_t n)
{
    struct nearest best = { .name = name, .candidate = "", .distance = NAME_MAX_LEN + 1 };
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        const char *p = o->aliases, *alias;
        size_t alias_n;
        bool negated;
        consider(&best, o->name, strlen(o->name));
        while (next_alias(&p, &alias, &alias_n, &negated))
            consider(&best, alias, alias_n);
    }
    snprintf(out, n, "%.*s", (int)best.n, best.candidate);
    return out;
}

bool query_is_known(const char *name)
{
    return query_option_find(name, strlen(name), NULL) != NULL;
}

bool query_is_options(const char *segment, size_t n)
{
    const char *equals = memchr(segment, '=', n);
    return equals && query_option_find(segment, (size_t)(equals - segment), NULL);
}
