/* The option table and its parser: every rule of the vocabulary, through each of its doors. */
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

static struct config config(void)
{
    struct config c = { .ignore_options = ignore, .presets = &sharp };
    return c;
}

/* Parses and finishes; true: canon holds the canonical text, else e the error. */
static bool run(const char *text, char *canon, struct query_error *e)
{
    struct config c = config();
    struct query q;
    query_init(&q);
    memset(e, 0, sizeof *e);
    if (!query_parse(&q, &c, text, e) || !query_finish(&q, &c, e))
        return false;
    ck_assert_uint_lt(query_canonical(&q, canon, QUERY_CANONICAL), QUERY_CANONICAL);
    return true;
}

static struct query parsed(const char *text)
{
    struct config c = config();
    struct query q;
    struct query_error e = { .text = "" };
    query_init(&q);
    ck_assert_msg(query_parse(&q, &c, text, &e) && query_finish(&q, &c, &e), "%s: %s", text, e.text);
    return q;
}

/* Accepted values. */

static const struct {
    const char *text, *canonical;
} accepted[] = {
    { "", "" },
    { "&&", "" },
    /* lengths */
    { "w=800", "w=800" },
    { "width=800&height=600", "w=800,h=600" },
    { "h=600&w=800", "w=800,h=600" },
    { "w=1", "w=1" },
    { "w=16384", "w=16384" },
    { "w=50p", "w=50p" },
    { "w=50%25", "w=50p" },
    { "w=50%", "w=50p" },
    { "w=50%&h=10", "w=50p,h=10" },
    { "w=33.3p", "w=33.3p" },
    { "w=200p", "w=200p" },
    { "w=33.33333333333333p", "w=33.333333p" },
    { "w=00800", "w=800" },
    { "w=800.", "w=800" },
    { "w=%2B800", "w=800" },
    { "rect=0.000001p,.5p,0.01p,100.00p", "rect=0.000001p,0.5p,0.01p,100p" },
    { "w=", "" },
    { "w", "" },
    /* fit, each word */
    { "fit=inside", "" },
    { "fit=clip", "" },
    { "fit=max", "" },
    { "fit=scale-down", "" },
    { "fit=cover", "fit=cover" },
    { "mode=crop", "fit=cover" },
    { "fit=min", "fit=cover" },
    { "fit=pad", "fit=pad" },
    { "fit=contain", "fit=pad" },
    { "fit=stretch", "fit=stretch" },
    { "fit=fill", "fit=stretch" },
    { "fit=force", "fit=stretch" },
    { "fit=scale", "fit=stretch" },
    { "fit=squeeze", "fit=stretch" },
    { "fit=outside", "fit=outside" },
    { "fit=Cover", "fit=cover" },
    /* enlarge */
    { "enlarge=1", "enlarge=1" },
    { "el=true", "enlarge=1" },
    { "upscale", "enlarge=1" },
    { "upscale=", "enlarge=1" },
    { "enlarge=0", "" },
    { "we=1", "" },
    { "we=0", "enlarge=1" },
    { "we", "" },
    { "dpr=2", "dpr=2" },
    { "dpr=0.1", "dpr=0.1" },
    { "dpr=8", "dpr=8" },
    { "dpr=1.50", "dpr=1.5" },
    { "dpr=1", "" },
    /* gravity */
    { "gravity=center", "" },
    { "g=north", "gravity=north" },
    { "a=northeast", "gravity=northeast" },
    { "position=east", "gravity=east" },
    { "crop=southeast", "gravity=southeast" },
    { "g=south", "gravity=south" },
    { "g=southwest", "gravity=southwest" },
    { "g=west", "gravity=west" },
    { "g=northwest", "gravity=northwest" },
    { "g=top", "gravity=north" },
    { "g=top-right", "gravity=northeast" },
    { "g=right", "gravity=east" },
    { "g=bottom-right", "gravity=southeast" },
    { "g=bottom", "gravity=south" },
    { "g=bottom-left", "gravity=southwest" },
    { "g=left", "gravity=west" },
    { "crop=top-left", "gravity=northwest" },
    { "crop=focal", "gravity=focal" },
    { "fpx=.3", "gravity=focal,fpx=0.3" },
    { "fp-x=0&fp-y=1", "gravity=focal,fpx=0,fpy=1" },
    { "g=focal&fpy=.25", "gravity=focal,fpy=0.25" },
    { "fpx=&fpy=", "gravity=focal" },
    /* areas */
    { "rect=1,2,30,40", "rect=1,2,30,40" },
    { "rect=10p,0,50%25,40", "rect=10p,0,50p,40" },
    { "rect=10%,10%,50%,50%", "rect=10p,10p,50p,50p" },
    { "rect=1%2C2%2C30%2C40", "rect=1,2,30,40" },
    { "cx=1&cy=2&cw=30&ch=40", "rect=1,2,30,40" },
    { "cw=30&ch=40", "rect=0,0,30,40" },
    { "top=2&left=1&areawidth=30&areaheight=40", "rect=1,2,30,40" },
    { "rect=", "" },
    /* turning */
    { "rotate=90", "rotate=90" },
    { "rot=180", "rotate=180" },
    { "rotate=-12.50", "rotate=-12.5" },
    { "rotate=0.0", "" },
    { "pad=10", "pad=10,10,10,10" },
    { "padding=1,2", "pad=1,2,1,2" },
    { "pad=1,2,3", "pad=1,2,3,2" },
    { "pad=1,2,3,4", "pad=1,2,3,4" },
    { "pad=0", "" },
    { "border=4", "border=4,000000ff" },
    { "border=4,rgb(1,2,3)", "border=4,010203ff" },
    { "border=0,red", "" },
    { "radius=12", "radius=12" },
    { "radius=max", "radius=max" },
    { "radius=0", "" },
    { "trim", "trim=10" },
    { "linear", "linear=1" },
    { "explain=1", "explain=1" },
    { "trim=", "trim=10" },
    { "trim=0", "trim=0" },
    { "trim=255", "trim=255" },
    { "g=smart", "gravity=smart" },
    { "crop=attention", "gravity=smart" },
    { "a=entropy", "gravity=entropy" },
    { "ro=270", "rotate=270" },
    { "or=0", "" },
    { "autorotate=0", "autorotate=0" },
    { "autorotate=", "" },
    { "flip", "flip=v" },
    { "flip=1", "flip=v" },
    { "flip=v", "flip=v" },
    { "flip=h", "flip=h" },
    { "flip=hv", "flip=hv" },
    { "flip=0", "" },
    { "flop", "flop=1" },
    /* encoding */
    { "format=jpg", "format=jpeg" },
    { "fm=jpeg", "format=jpeg" },
    { "f=png", "format=png" },
    { "output=webp", "format=webp" },
    { "type=auto", "format=auto" },
    { "format=origin", "" },
    { "q=1", "q=1" },
    { "quality=100", "q=100" },
    { "q=", "" },
    { "progressive", "progressive=1" },
    { "il=1", "progressive=1" },
    { "interlace=on", "progressive=1" },
    { "lossless=1", "lossless=1" },
    { "ll=1", "lossless=1" },
    { "chroma=444", "chroma=444" },
    { "chromasub=4:2:2", "chroma=422" },
    { "chroma=420", "chroma=420" },
    { "chroma=auto", "" },
    { "effort=0", "effort=0" },
    { "compression=9", "effort=9" },
    { "effort=4", "" },
    { "filter-kernel=lanczos2", "filter-kernel=lanczos2" },
    { "kernel=mitchell", "filter-kernel=mitchell" },
    { "kernel=catrom", "filter-kernel=catrom" },
    { "kernel=bilinear", "filter-kernel=bilinear" },
    { "kernel=box", "filter-kernel=box" },
    { "kernel=nearest", "filter-kernel=nearest" },
    { "kernel=lanczos3", "" },
    { "strict", "strict=1" },
    /* colours */
    { "bg=fff", "bg=ffffffff" },
    { "bg=%23fff", "bg=ffffffff" },
    { "background=102030", "bg=102030ff" },
    { "bg=10203040", "bg=10203040" },
    { "bg=Red", "bg=ff0000ff" },
    { "bg=yellowgreen", "bg=9acd32ff" },
    { "bg=aliceblue", "bg=f0f8ffff" },
    { "bg=transparent", "bg=00000000" },
    { "bg=rgb(1,2,3)", "bg=010203ff" },
    { "bg=rgb(1+2+3)", "bg=010203ff" },
    { "bg=rgba(255,0,0,0.5)", "bg=ff000080" },
    { "bg=rgb(100%25+0%25+0%25+/+50%25)", "bg=ff000080" },
    /* caching */
    { "maxage=300s", "maxage=300s" },
    { "maxage=300", "maxage=300s" },
    { "maxage=5m", "maxage=300s" },
    { "maxage=2h", "maxage=7200s" },
    { "maxage=7d", "maxage=604800s" },
    { "maxage=1w", "maxage=604800s" },
    { "maxage=1y", "maxage=31536000s" },
    { "v=2024-01", "v=2024-01" },
    { "cb=a,b%3Dc%26%2F", "v=a%2Cb%3Dc%26%2F" },
    /* ignored */
    { "utm_source=x&w=5&fbclid=%zz&utm_=&gclid", "w=5" },
    /* presets */
    { "preset=sharp", "fit=cover,enlarge=1,format=jpeg" },
    { "p=sharp&fit=pad&w=5", "w=5,fit=pad,enlarge=1,format=jpeg" },
    { "fit=pad&pr=sharp", "fit=pad,enlarge=1,format=jpeg" },
    { "p=sharp&enlarge=0&fit=&format=origin", "" },
    { "p=small,amp", "w=10,h=20,q=33" },
    { "p=amp,small", "w=100,h=50,q=33" },
    { "p=cut&cw=5&ch=6", "rect=0,0,5,6" },
    { "p=cut", "rect=1,2,30,40" },
    { "p=", "" },
};

START_TEST(accepts)
{
    char canon[QUERY_CANONICAL] = "";
    struct query_error e;
    ck_assert_msg(run(accepted[_i].text, canon, &e), "%s: %s", accepted[_i].text, e.text);
    ck_assert_str_eq(canon, accepted[_i].canonical);
}
END_TEST

/* Refused values. */

static const struct {
    const char *text, *option, *code, *says; /* says: what the text must contain */
} refused[] = {
    { "widht=3", "widht", "option_unknown", "width" },
    { "qualty=3", "qualty", "option_unknown", "quality" },
    { "W=3", "W", "option_unknown", "is w" },
    { "=3", "", "option_unknown", "nearest" },
    { "aver-long-name-that-goes-on-and-on-and-on-and-on-and-on-and-on=1", NULL, "option_unknown", "nearest" },
    { "w=0", "w", "option_range", "1 to 16384" },
    { "w=16385", "w", "option_range", "1 to 16384" },
    { "width=-5", "width", "option_range", "1 to 16384" },
    { "w=0p", "w", "option_range", "percent" },
    { "w=1001p", "w", "option_range", "1000 percent" },
    { "w=abc", "w", "option_malformed", "\"abc\"" },
    { "w=1e3", "w", "option_malformed", "pixels" },
    { "w=0x10", "w", "option_malformed", "pixels" },
    { "w=inf", "w", "option_malformed", "pixels" },
    { "w=nan", "w", "option_malformed", "pixels" },
    { "w=10.5", "w", "option_malformed", "whole pixels" },
    { "w=10px", "w", "option_malformed", "pixels" },
    { "w=p", "w", "option_malformed", "pixels" },
    { "w=%", "w", "option_malformed", "pixels" },
    { "w= 5", "w", "option_malformed", "pixels" },
    { "w=5%2", "w", "option_malformed", "hexadecimal" },
    { "w=%zz", "w", "option_malformed", "hexadecimal" },
    { "w%=5", "w%", "option_unknown", "nearest" },
    { "w=%00", "w", "option_malformed", "NUL" },
    { "w=99999999999999999999999", "w", "option_malformed", "pixels" },
    { "w=.", "w", "option_malformed", "pixels" },
    { "w=--5", "w", "option_malformed", "pixels" },
    { "w=5.5.5p", "w", "option_malformed", "pixels" },
    { "w=1&w=2", "w", "option_repeated", "twice" },
    { "w=1&width=1", "width", "option_repeated", "another name of w" },
    { "enlarge=1&we=1", "we", "option_repeated", "enlarge" },
    { "q=5&q=", "q", "option_repeated", "twice" },
    { "fit=zoom", "fit", "option_range", "inside, cover, pad" },
    { "enlarge=2", "enlarge", "option_malformed", "1 or 0" },
    { "dpr=0", "dpr", "option_range", "0.1 to 8" },
    { "dpr=8.1", "dpr", "option_range", "0.1 to 8" },
    { "dpr=x", "dpr", "option_malformed", "a number" },
    { "gravity=middle", "gravity", "option_range", "center" },
    { "crop=10,20,30,40", "crop", "option_malformed", "rect=x,y,w,h" },
    { "crop=300", "crop", "option_malformed", "rect=x,y,w,h" },
    { "fpx=1.1", "fpx", "option_range", "0 to 1" },
    { "fpx=50p", "fpx", "option_malformed", "a number" },
    { "g=north&fpx=.1", "gravity", "option_clash", "gravity=focal" },
    { "rect=1,2,3", "rect", "option_malformed", "x,y,w,h" },
    { "rect=1,2,3,4,5", "rect", "option_malformed", "x,y,w,h" },
    { "rect=1,,3,4", "rect", "option_malformed", "x,y,w,h" },
    { "rect=,,,", "rect", "option_malformed", "x,y,w,h" },
    { "rect=-1,2,3,4", "rect", "option_range", "0 to 65535" },
    { "rect=1,2,0,4", "rect", "option_range", "1 to 65535" },
    { "rect=1,2,3,0p", "rect", "option_range", "0.01" },
    { "cx=5", "rect", "option_clash", "cw and ch" },
    { "cw=5", "rect", "option_clash", "cw and ch" },
    { "rect=1,2,3,4&cx=5", "rect", "option_clash", "one of them" },
    { "cw=0&ch=5", "cw", "option_range", "1 to 65535" },
    { "rotate=361", "rotate", "option_range", "-360 to 360" },
    { "rotate=left", "rotate", "option_malformed", "a number" },
    { "pad=1,2,3,4,5", "pad", "option_malformed", "top,right,bottom,left" },
    { "pad=1,,3", "pad", "option_malformed", "top,right,bottom,left" },
    { "pad=1,", "pad", "option_malformed", "top,right,bottom,left" },
    { "pad=1.5", "pad", "option_malformed", "top,right,bottom,left" },
    { "pad=-1", "pad", "option_range", "0 to 16384" },
    { "pad=1,16385", "pad", "option_range", "0 to 16384" },
    { "border=red", "border", "option_malformed", "pixels,colour" },
    { "border=3,reddish", "border", "option_malformed", "pixels,colour" },
    { "border=3,", "border", "option_malformed", "pixels,colour" },
    { "border=16385", "border", "option_range", "0 to 16384" },
    { "trim=256", "trim", "option_range", "0 to 255" },
    { "trim=1.5", "trim", "option_malformed", "whole number" },
    { "radius=round", "radius", "option_malformed", "or max" },
    { "radius=-1", "radius", "option_range", "0 to 16384" },
    { "flip=x", "flip", "option_malformed", "h, v, hv" },
    { "format=gif", "format", "option_range", "jpeg, jpg, png, webp, auto, origin" },
    { "q=0", "q", "option_range", "1 to 100" },
    { "quality=101", "quality", "option_range", "1 to 100" },
    { "q=80.5", "q", "option_malformed", "whole number" },
    { "q=high", "q", "option_malformed", "a number" },
    { "effort=10", "effort", "option_range", "0 to 9" },
    { "effort=-1", "effort", "option_range", "0 to 9" },
    { "chroma=411", "chroma", "option_range", "420" },
    { "kernel=cubic", "kernel", "option_range", "lanczos3" },
    { "bg=ffff", "bg", "option_malformed", "CSS colour" },
    { "bg=%23", "bg", "option_malformed", "CSS colour" },
    { "bg=12345g", "bg", "option_malformed", "CSS colour" },
    { "bg=reddish", "bg", "option_malformed", "CSS colour" },
    { "bg=rgb(1,2)", "bg", "option_malformed", "CSS colour" },
    { "bg=rgb(1,2,3,0,5)", "bg", "option_malformed", "CSS colour" },
    { "bg=rgb(1,2,256)", "bg", "option_malformed", "CSS colour" },
    { "bg=rgb(1,2,3)x", "bg", "option_malformed", "CSS colour" },
    { "bg=rgb(1,2,3", "bg", "option_malformed", "CSS colour" },
    { "maxage=299s", "maxage", "option_range", "300s to 365d" },
    { "maxage=2y", "maxage", "option_range", "300s to 365d" },
    { "maxage=300x", "maxage", "option_malformed", "such as" },
    { "maxage=s", "maxage", "option_malformed", "such as" },
    { "maxage=-5m", "maxage", "option_malformed", "such as" },
    { "maxage=1234567890123456789012345678901234567890d", "maxage", "option_malformed", "such as" },
    { "preset=nope", "preset", "option_range", "\"nope\"" },
    { "preset=sharp,nope", "preset", "option_range", "\"nope\"" },
    { "preset=sharp,", "preset", "option_range", "\"\"" },
    { "preset=broken", "preset", "option_malformed", "1 to 16384" },
    { "preset=cyclic", "preset", "option_malformed", "names a preset" },
    { "preset=sharp&p=small", "p", "option_repeated", "preset" },
};

START_TEST(refuses)
{
    char canon[QUERY_CANONICAL] = "";
    struct query_error e;
    ck_assert_msg(!run(refused[_i].text, canon, &e), "%s was accepted as %s", refused[_i].text, canon);
    ck_assert_msg(e.code && !strcmp(e.code, refused[_i].code), "%s: %s: %s", refused[_i].text, e.code, e.text);
    ck_assert_msg(strstr(e.text, refused[_i].says), "%s: \"%s\" does not say %s", refused[_i].text, e.text,
                  refused[_i].says);
    if (refused[_i].option)
        ck_assert_str_eq(e.option, refused[_i].option);
}
END_TEST

START_TEST(error_texts_hold_printable_ascii_only)
{
    char canon[QUERY_CANONICAL];
    struct query_error e;
    ck_assert(!run("w=%0d%0aX%ff%22", canon, &e));
    for (const char *p = e.text; *p; p++)
        ck_assert_msg(*p >= ' ' && *p <= '~', "byte %d in %s", *p, e.text);
    ck_assert(!run("w%0d%0aX%ff=1", canon, &e));
    ck_assert_str_eq(e.option, "w??X?");
}
END_TEST

START_TEST(long_values_are_refused)
{
    char text[1200] = "v=", canon[QUERY_CANONICAL];
    struct query_error e;
    memset(text + 2, 'x', 127);
    ck_assert(run(text, canon, &e));
    text[2 + 127] = 'x';
    ck_assert(!run(text, canon, &e));
    ck_assert_str_eq(e.code, "option_range");
    memset(text + 2, 'x', 1100);
    ck_assert(!run(text, canon, &e));
    ck_assert_str_eq(e.option, "v");
    memcpy(text, "fbclid=", 7);
    ck_assert(run(text, canon, &e)); /* ignored, whatever it holds */
}
END_TEST

/* What reaches imgcore. */

START_TEST(fills_the_recipe)
{
    struct query q = parsed("w=800&h=50p&fit=cover&el&dpr=2&g=top&rect=1,2,30,40&rot=90&autorotate=0&fm=webp&q=70&il&ll"
                            "&chroma=444&effort=9&bg=10203040&kernel=box&strict&maxage=1h&v=x");
    const struct ic_recipe *r = &q.recipe;
    ck_assert(r->width.value == 800 && r->width.unit == IC_UNIT_PX);
    ck_assert(r->height.value == 50 && r->height.unit == IC_UNIT_PERCENT);
    ck_assert_int_eq(r->fit, IC_FIT_COVER);
    ck_assert(r->enlarge && !r->autorotate && r->progressive && r->lossless && r->strict && r->bg_given);
    ck_assert(r->dpr == 2 && r->rect[2].value == 30 && r->rect[0].unit == IC_UNIT_PX);
    ck_assert_int_eq(r->gravity, IC_NORTH);
    ck_assert_double_eq(r->rotate, 90);
    ck_assert_int_eq(r->format, IC_FORMAT_WEBP);
    ck_assert_int_eq(r->quality, 70);
    ck_assert_int_eq(r->chroma, IC_CHROMA_444);
    ck_assert_int_eq(r->effort, 9);
    ck_assert_int_eq(r->kernel, IC_KERNEL_BOX);
    ck_assert(r->bg.r == 0x10 && r->bg.g == 0x20 && r->bg.b == 0x30 && r->bg.a == 0x40);
    ck_assert_int_eq(q.maxage_s, 3600);
    ck_assert_str_eq(q.v, "x");
    ck_assert(!q.format_auto);
}
END_TEST

START_TEST(nothing_given_is_the_default_recipe)
{
    struct query q = parsed("");
    struct ic_recipe r;
    ic_recipe_init(&r);
    ck_assert_int_eq(q.recipe.fit, r.fit);
    ck_assert_int_eq(q.recipe.effort, r.effort);
    ck_assert(q.recipe.autorotate && !q.recipe.enlarge && !q.recipe.bg_given && q.recipe.dpr == 1);
    ck_assert(q.recipe.rect[0].unit == IC_UNIT_NONE && q.recipe.width.unit == IC_UNIT_NONE);
    ck_assert_int_eq(q.maxage_s, -1);
}
END_TEST

static const struct {
    const char *text;
    bool flip, flop;
} mirrors[] = { { "", 0, 0 },       { "flip", 1, 0 },        { "flip=h", 0, 1 },        { "flip=hv", 1, 1 },
                { "flop", 0, 1 },   { "flop=0", 0, 0 },      { "flip=v&flop=1", 1, 1 }, { "flop=0&flip=h", 0, 1 },
                { "flip=0", 0, 0 }, { "flip=0&flop", 0, 1 }, { "flop&flip=hv", 1, 1 } };

START_TEST(mirrors_compose)
{
    struct query q = parsed(mirrors[_i].text);
    ck_assert_int_eq(q.recipe.flip, mirrors[_i].flip);
    ck_assert_int_eq(q.recipe.flop, mirrors[_i].flop);
}
END_TEST

START_TEST(auto_is_not_a_format)
{
    struct query q = parsed("format=auto");
    ck_assert(q.format_auto);
    ck_assert_int_eq(q.recipe.format, IC_FORMAT_ORIGIN);
}
END_TEST

/* The other doors. */

static const struct {
    const char *text, *canonical; /* NULL: refused */
} lists[] = {
    { "w=300", "w=300" },
    { "w=300,h=200", "w=300,h=200" },
    { "rect=1,2,3,4", "rect=1,2,3,4" },
    { "rect=1,2,3,4,w=5", "w=5,rect=1,2,3,4" },
    { "w=5,rect=10%25,10%25,50%25,50%25,q=3", "w=5,rect=10p,10p,50p,50p,q=3" },
    { "bg=rgb(1,2,3),w=5", "w=5,bg=010203ff" },
    { "rect=1%2C2%2C3%2C4", "rect=1,2,3,4" },
    { "flop=,w=4", "w=4,flop=1" },
    { "v=a+b", "v=a%2Bb" },
    { "v=a=b", "v=a%3Db" },
    { "preset=small,amp", "w=10,h=20,q=33" },
    { "preset=point", "gravity=focal,fpx=0.2" },
    { "preset=point,g=south", "gravity=south,fpx=0.2" },
    { "preset=up,fpy=1", "gravity=focal,fpy=1" },
    { "", "" },
    { "w=1,w=2", NULL },
    { "w=300,", NULL },
    { "w", NULL },
    { "5,w=3", NULL },
    { "w=5,x=3", NULL },
    { "w=5%2", NULL },
};

START_TEST(list_form)
{
    struct config c = config();
    struct query q;
    struct query_error e = { .text = "" };
    char canon[QUERY_CANONICAL];
    query_init(&q);
    bool ok = query_parse_list(&q, &c, lists[_i].text, &e) && query_finish(&q, &c, &e);
    ck_assert_msg(ok == (lists[_i].canonical != NULL), "%s: %s", lists[_i].text, e.text);
    if (!ok)
        return;
    query_canonical(&q, canon, sizeof canon);
    ck_assert_str_eq(canon, lists[_i].canonical);
}
END_TEST

START_TEST(form_fields_are_not_decoded)
{
    struct config c = config();
    struct query q;
    struct query_error e;
    char canon[QUERY_CANONICAL];
    query_init(&q);
    ck_assert(query_set(&q, &c, "width", "50%", 3, &e));
    ck_assert(query_set(&q, &c, "v", "a%20+", 5, &e));
    ck_assert(!query_set(&q, &c, "w", "1", 1, &e));
    ck_assert_str_eq(e.code, "option_repeated");
    ck_assert(!query_set(&q, &c, "h", "1\0002", 3, &e));
    ck_assert_str_eq(e.code, "option_malformed");
    ck_assert(!query_set(&q, &c, "nonsense", "1\0002", 3, &e));
    ck_assert_str_eq(e.code, "option_unknown");
    ck_assert(query_set(&q, &c, "utm_x", "1\0002", 3, &e));
    query_canonical(&q, canon, sizeof canon);
    ck_assert_str_eq(canon, "w=50p,v=a%2520%2B");
}
END_TEST

static const struct {
    const char *json, *expected; /* the canonical text, or the error's code */
    const char *option;          /* of an error */
} operations[] = {
    { "{}", "", NULL },
    { "{\"width\":800,\"height\":600,\"quality\":80}", "w=800,h=600,q=80", NULL },
    { "{\"w\":\"50%\",\"dpr\":1.5,\"enlarge\":true,\"autorotate\":false}", "w=50p,enlarge=1,dpr=1.5,autorotate=0",
      NULL },
    { "{\"rect\":[1,2,\"50p\",4]}", "rect=1,2,50p,4", NULL },
    { "{\"w\":800.0}", "w=800", NULL },
    { "{\"utm_x\":null,\"w\":3}", "w=3", NULL },
    { "{\"w\":800.5}", "option_malformed", "w" },
    { "{\"w\":null,\"h\":7}", "h=7", NULL }, /* as clients send what is not set */
    { "{\"w\":{}}", "option_malformed", "w" },
    { "{\"w\":[[1]]}", "option_malformed", "w" },
    { "{\"w\":1e300}", "option_malformed", "w" },
    { "{\"w\":1,\"width\":1}", "option_repeated", "width" },
    { "{\"w\":1,\"w\":2}", "option_repeated", "operations" },
    { "{\"widht\":1}", "option_unknown", "widht" },
    { "{\"widht\":{}}", "option_unknown", "widht" },
    { "{\"outputs\":[{\"w\":1}]}", "option_unknown", "outputs" },
    { "{\"q\":500}", "option_range", "q" },
    { "[]", "option_malformed", "operations" },
    { "3", "option_malformed", "operations" },
    { "", "option_malformed", "operations" },
    { "{\"w\":1", "option_malformed", "operations" },
    { "{\"w\":1}x", "option_malformed", "operations" },
    { "{\"w\":\"\\u0000\"}", "option_malformed", "operations" },
    { "{\"v\":\"a\\u0026b\"}", "v=a%26b", NULL },
};

START_TEST(json_operations)
{
    struct config c = config();
    struct query q;
    struct query_error e = { .text = "" };
    char canon[QUERY_CANONICAL];
    query_init(&q);
    bool ok = query_parse_json(&q, &c, operations[_i].json, strlen(operations[_i].json), &e);
    ck_assert_msg(ok == !operations[_i].option, "%s: %s", operations[_i].json, e.text);
    if (ok)
        ck_assert(query_finish(&q, &c, &e));
    query_canonical(&q, canon, sizeof canon);
    ck_assert_str_eq(ok ? canon : e.code, operations[_i].expected);
    if (!ok)
        ck_assert_str_eq(e.option, operations[_i].option);
}
END_TEST

START_TEST(deep_json_is_refused_before_it_is_parsed)
{
    static char deep[60000];
    struct query q;
    struct query_error e;
    query_init(&q);
    memset(deep, '[', sizeof deep);
    ck_assert(!query_parse_json(&q, NULL, deep, sizeof deep, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "nested"));
    const char quoted[] = "{\"v\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[\"}";
    ck_assert(query_parse_json(&q, NULL, quoted, sizeof quoted - 1, &e));
}
END_TEST

START_TEST(doors_share_the_repeat_check)
{
    struct config c = config();
    struct query q;
    struct query_error e;
    query_init(&q);
    ck_assert(query_parse_list(&q, &c, "w=3", &e));
    ck_assert(!query_parse(&q, &c, "width=4", &e));
    ck_assert_str_eq(e.code, "option_repeated");
    ck_assert(!query_parse_json(&q, &c, "{\"w\":3}", 7, &e));
    ck_assert_str_eq(e.code, "option_repeated");
}
END_TEST

START_TEST(options_segments_are_recognised)
{
    ck_assert(query_is_options("w=3", 3));
    ck_assert(query_is_options("crop=top,w=3", 12));
    ck_assert(!query_is_options("w", 1));
    ck_assert(!query_is_options("wx=3", 4));
    ck_assert(!query_is_options("=3", 2));
    ck_assert(!query_is_options("w=3", 1)); /* the = lies behind the segment */
    ck_assert(!query_is_options("", 0));
    struct query q = parsed("quality=3");
    ck_assert(query_given(&q, "q") && query_given(&q, "quality") && !query_given(&q, "w") && !query_given(&q, "x"));
}
END_TEST

/* The table. */

START_TEST(every_name_is_unique)
{
    for (int i = 0; i < query_options_n; i++) {
        const struct query_option *o = &query_options[i];
        ck_assert_ptr_eq(query_option_find(o->name, strlen(o->name), NULL), o);
        for (const char *p = o->aliases; *p; p += *p == ',') {
            p += *p == '!';
            size_t n = strcspn(p, ",");
            ck_assert_msg(query_option_find(p, n, NULL) == o, "%s is also a name of another option", p);
            p += n;
        }
    }
}
END_TEST

START_TEST(written_defaults_are_the_true_ones)
{
    struct query plain, q;
    query_init(&plain);
    for (int i = 0; i < query_options_n; i++) {
        const struct query_option *o = &query_options[i];
        struct query_error e;
        char text[64], expected[QUERY_CANONICAL], got[QUERY_CANONICAL];
        if (!o->def)
            continue;
        snprintf(text, sizeof text, "%s=%s", o->name, o->def);
        query_init(&q);
        ck_assert(query_parse(&q, NULL, text, &e) && query_finish(&q, NULL, &e));
        query_canonical(&plain, expected, sizeof expected);
        if (!strcmp(o->name, "fpx") || !strcmp(o->name, "fpy"))
            snprintf(expected, sizeof expected, "gravity=focal"); /* implied, wherever the point is */
        query_canonical(&q, got, sizeof got);
        ck_assert_str_eq(got, expected);
    }
}
END_TEST

START_TEST(the_table_as_json)
{
    char *text = query_table_json();
    json_t *table = json_loads(text, 0, NULL);
    ck_assert_uint_eq(json_array_size(table), (size_t)query_options_n);
    json_t *w = json_array_get(table, 0);
    ck_assert_str_eq(json_string_value(json_object_get(w, "name")), "w");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(w, "aliases"), 0)), "width");
    ck_assert_int_eq(json_integer_value(json_object_get(w, "max")), 16384);
    ck_assert(json_is_null(json_object_get(w, "values")) && json_is_null(json_object_get(w, "default")));
    json_t *enlarge = json_array_get(table, 3);
    ck_assert(json_is_false(json_object_get(enlarge, "default")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(enlarge, "aliases"), 2)), "we");
    size_t i;
    json_t *row;
    json_array_foreach(table, i, row) ck_assert_uint_eq(json_object_size(row), 8);
    json_decref(table);
    free(text);
}
END_TEST

START_TEST(canonical_is_cut_not_overrun)
{
    struct query q = parsed("w=800&h=600&v=xxxxxxxxxxxx");
    char small_out[10], whole[QUERY_CANONICAL];
    size_t n = query_canonical(&q, whole, sizeof whole);
    ck_assert_uint_eq(n, strlen(whole));
    memset(small_out, '#', sizeof small_out);
    ck_assert_uint_eq(query_canonical(&q, small_out, 9), n);
    ck_assert_uint_eq(strlen(small_out), 8);
    ck_assert_int_eq(small_out[9], '#');
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

int main(void)
{
    Suite *s = suite_create("query");
    TCase *t = tcase_create("query");
    tcase_add_loop_test(t, accepts, 0, COUNT(accepted));
    tcase_add_loop_test(t, refuses, 0, COUNT(refused));
    tcase_add_test(t, error_texts_hold_printable_ascii_only);
    tcase_add_test(t, long_values_are_refused);
    tcase_add_test(t, fills_the_recipe);
    tcase_add_test(t, nothing_given_is_the_default_recipe);
    tcase_add_loop_test(t, mirrors_compose, 0, COUNT(mirrors));
    tcase_add_test(t, auto_is_not_a_format);
    tcase_add_loop_test(t, list_form, 0, COUNT(lists));
    tcase_add_test(t, form_fields_are_not_decoded);
    tcase_add_loop_test(t, json_operations, 0, COUNT(operations));
    tcase_add_test(t, deep_json_is_refused_before_it_is_parsed);
    tcase_add_test(t, doors_share_the_repeat_check);
    tcase_add_test(t, options_segments_are_recognised);
    tcase_add_test(t, every_name_is_unique);
    tcase_add_test(t, written_defaults_are_the_true_ones);
    tcase_add_test(t, the_table_as_json);
    tcase_add_test(t, canonical_is_cut_not_overrun);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
