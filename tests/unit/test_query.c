/* The option parser, through a query: every value it takes, with its canonical text, and what it says of all others. */
#include "queries.h"
#include "suite.h"

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

int main(void)
{
    Suite *s = suite_create("query");
    TCase *t = tcase_create("query");
    tcase_add_loop_test(t, accepts, 0, COUNT(accepted));
    tcase_add_loop_test(t, refuses, 0, COUNT(refused));
    tcase_add_test(t, error_texts_hold_printable_ascii_only);
    tcase_add_test(t, long_values_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
