/* The presets that tests of the option parser know, and a query parsed with them. */
#ifndef TESTS_QUERIES_H
#define TESTS_QUERIES_H

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/query_option.h"

static char *ignore = "utm_*,fbclid,gclid";
static struct config_preset up = { "up", "g=north", NULL, 0 };
static struct config_preset point = { "point", "fpx=0.2", &up, 0 };
static struct config_preset cyclic = { "cyclic", "preset=sharp", &point, 0 };
static struct config_preset broken = { "broken", "w=0", &cyclic, 0 };
static struct config_preset cut = { "cut", "rect=1,2,30,40", &broken, 0 };
static struct config_preset ampersand = { "amp", "w=10&h=20", &cut, 0 };
static struct config_preset small = { "small", "w=100,h=50,q=33", &ampersand, 0 };
static struct config_preset sharp = { "sharp", "fit=cover,enlarge=1,format=jpeg", &small, 0 };

static inline struct config config(void)
{
    struct config c = { .ignore_options = ignore, .presets = &sharp };
    return c;
}

static inline struct query parsed(const char *text)
{
    struct config c = config();
    struct query q;
    struct query_error e = { .text = "" };
    query_init(&q);
    ck_assert_msg(query_parse(&q, &c, text, &e) && query_finish(&q, &c, &e), "%s: %s", text, e.text);
    return q;
}

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

#endif
