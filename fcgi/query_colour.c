/* CSS colours, as the option bg takes them: RGB, RRGGBB and RRGGBBAA with or without #, the named colours of CSS Color
 * Level 4, and rgb() or rgba() with commas or spaces. Called by the colour type of options.
 *
 * Eight digits are in CSS order, alpha last. Four digits are refused: CSS reads RGBA, older image services ARGB. */
#include "query_option.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "uri.h"

/* clang-format off */
static const struct colour_name {
    const char *name;
    uint32_t rgb;
} names[] = {
    /* sorted for bsearch */
    { "aliceblue", 0xf0f8ff }, { "antiquewhite", 0xfaebd7 }, { "aqua", 0x00ffff }, { "aquamarine", 0x7fffd4 },
    { "azure", 0xf0ffff }, { "beige", 0xf5f5dc }, { "bisque", 0xffe4c4 }, { "black", 0x000000 },
    { "blanchedalmond", 0xffebcd }, { "blue", 0x0000ff }, { "blueviolet", 0x8a2be2 }, { "brown", 0xa52a2a },
    { "burlywood", 0xdeb887 }, { "cadetblue", 0x5f9ea0 }, { "chartreuse", 0x7fff00 }, { "chocolate", 0xd2691e },
    { "coral", 0xff7f50 }, { "cornflowerblue", 0x6495ed }, { "cornsilk", 0xfff8dc }, { "crimson", 0xdc143c },
    { "cyan", 0x00ffff }, { "darkblue", 0x00008b }, { "darkcyan", 0x008b8b }, { "darkgoldenrod", 0xb8860b },
    { "darkgray", 0xa9a9a9 }, { "darkgreen", 0x006400 }, { "darkgrey", 0xa9a9a9 }, { "darkkhaki", 0xbdb76b },
    { "darkmagenta", 0x8b008b }, { "darkolivegreen", 0x556b2f }, { "darkorange", 0xff8c00 },
    { "darkorchid", 0x9932cc }, { "darkred", 0x8b0000 }, { "darksalmon", 0xe9967a }, { "darkseagreen", 0x8fbc8f },
    { "darkslateblue", 0x483d8b }, { "darkslategray", 0x2f4f4f }, { "darkslategrey", 0x2f4f4f },
    { "darkturquoise", 0x00ced1 }, { "darkviolet", 0x9400d3 }, { "deeppink", 0xff1493 }, { "deepskyblue", 0x00bfff },
    { "dimgray", 0x696969 }, { "dimgrey", 0x696969 }, { "dodgerblue", 0x1e90ff }, { "firebrick", 0xb22222 },
    { "floralwhite", 0xfffaf0 }, { "forestgreen", 0x228b22 }, { "fuchsia", 0xff00ff }, { "gainsboro", 0xdcdcdc },
    { "ghostwhite", 0xf8f8ff }, { "gold", 0xffd700 }, { "goldenrod", 0xdaa520 }, { "gray", 0x808080 },
    { "green", 0x008000 }, { "greenyellow", 0xadff2f }, { "grey", 0x808080 }, { "honeydew", 0xf0fff0 },
    { "hotpink", 0xff69b4 }, { "indianred", 0xcd5c5c }, { "indigo", 0x4b0082 }, { "ivory", 0xfffff0 },
    { "khaki", 0xf0e68c }, { "lavender", 0xe6e6fa }, { "lavenderblush", 0xfff0f5 }, { "lawngreen", 0x7cfc00 },
    { "lemonchiffon", 0xfffacd }, { "lightblue", 0xadd8e6 }, { "lightcoral", 0xf08080 }, { "lightcyan", 0xe0ffff },
    { "lightgoldenrodyellow", 0xfafad2 }, { "lightgray", 0xd3d3d3 }, { "lightgreen", 0x90ee90 },
    { "lightgrey", 0xd3d3d3 }, { "lightpink", 0xffb6c1 }, { "lightsalmon", 0xffa07a }, { "lightseagreen", 0x20b2aa },
    { "lightskyblue", 0x87cefa }, { "lightslategray", 0x778899 }, { "lightslategrey", 0x778899 },
    { "lightsteelblue", 0xb0c4de }, { "lightyellow", 0xffffe0 }, { "lime", 0x00ff00 }, { "limegreen", 0x32cd32 },
    { "linen", 0xfaf0e6 }, { "magenta", 0xff00ff }, { "maroon", 0x800000 }, { "mediumaquamarine", 0x66cdaa },
    { "mediumblue", 0x0000cd }, { "mediumorchid", 0xba55d3 }, { "mediumpurple", 0x9370db },
    { "mediumseagreen", 0x3cb371 }, { "mediumslateblue", 0x7b68ee }, { "mediumspringgreen", 0x00fa9a },
    { "mediumturquoise", 0x48d1cc }, { "mediumvioletred", 0xc71585 }, { "midnightblue", 0x191970 },
    { "mintcream", 0xf5fffa }, { "mistyrose", 0xffe4e1 }, { "moccasin", 0xffe4b5 }, { "navajowhite", 0xffdead },
    { "navy", 0x000080 }, { "oldlace", 0xfdf5e6 }, { "olive", 0x808000 }, { "olivedrab", 0x6b8e23 },
    { "orange", 0xffa500 }, { "orangered", 0xff4500 }, { "orchid", 0xda70d6 }, { "palegoldenrod", 0xeee8aa },
    { "palegreen", 0x98fb98 }, { "paleturquoise", 0xafeeee }, { "palevioletred", 0xdb7093 },
    { "papayawhip", 0xffefd5 }, { "peachpuff", 0xffdab9 }, { "peru", 0xcd853f }, { "pink", 0xffc0cb },
    { "plum", 0xdda0dd }, { "powderblue", 0xb0e0e6 }, { "purple", 0x800080 }, { "rebeccapurple", 0x663399 },
    { "red", 0xff0000 }, { "rosybrown", 0xbc8f8f }, { "royalblue", 0x4169e1 }, { "saddlebrown", 0x8b4513 },
    { "salmon", 0xfa8072 }, { "sandybrown", 0xf4a460 }, { "seagreen", 0x2e8b57 }, { "seashell", 0xfff5ee },
    { "sienna", 0xa0522d }, { "silver", 0xc0c0c0 }, { "skyblue", 0x87ceeb }, { "slateblue", 0x6a5acd },
    { "slategray", 0x708090 }, { "slategrey", 0x708090 }, { "snow", 0xfffafa }, { "springgreen", 0x00ff7f },
    { "steelblue", 0x4682b4 }, { "tan", 0xd2b48c }, { "teal", 0x008080 }, { "thistle", 0xd8bfd8 },
    { "tomato", 0xff6347 }, { "turquoise", 0x40e0d0 }, { "violet", 0xee82ee }, { "wheat", 0xf5deb3 },
    { "white", 0xffffff }, { "whitesmoke", 0xf5f5f5 }, { "yellow", 0xffff00 }, { "yellowgreen", 0x9acd32 },
};
/* clang-format on */

static int by_name(const void *key, const void *row)
{
    return strcasecmp(key, ((const struct colour_name *)row)->name);
}

static bool from_name(const char *text, struct ic_colour *out)
{
    if (!strcasecmp(text, "transparent")) {
        *out = (struct ic_colour){ 0 };
        return true;
    }
    const struct colour_name *c = bsearch(text, names, sizeof names / sizeof *names, sizeof *names, by_name);
    if (c)
        *out = (struct ic_colour){ (uint8_t)(c->rgb >> 16), (uint8_t)(c->rgb >> 8), (uint8_t)c->rgb, 255 };
    return c != NULL;
}

static bool from_hex(const char *text, struct ic_colour *out)
{
    size_t n = strlen(text);
    uint8_t digit[8];
    if (n != 3 && n != 6 && n != 8)
        return false;
    for (size_t i = 0; i < n; i++) {
        int value = uri_hex(text[i]);
        if (value < 0)
            return false;
        digit[i] = (uint8_t)value;
    }
    uint8_t c[4] = { 0, 0, 0, 255 };
    for (size_t i = 0; n == 3 && i < 3; i++)
        c[i] = (uint8_t)(digit[i] * 17);
    for (size_t i = 0; n > 3 && i < n / 2; i++)
        c[i] = (uint8_t)(digit[2 * i] << 4 | digit[2 * i + 1]);
    *out = (struct ic_colour){ c[0], c[1], c[2], c[3] };
    return true;
}

/* One component: 0 .. whole, or a percentage of whole; scaled to 0 .. 255. */
static bool component(const char *text, double whole, uint8_t *out)
{
    char digits[16];
    size_t n = strlen(text);
    bool share = n > 0 && text[n - 1] == '%';
    double value;
    n -= share;
    if (n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    if (!query_number(digits, &value))
        return false;
    value /= share ? 100 : whole;
    if (value < 0 || value > 1)
        return false;
    *out = (uint8_t)(value * 255 + 0.5);
    return true;
}

/* What stands between the brackets: three components, perhaps alpha. */
static bool from_function(const char *text, struct ic_colour *out)
{
    char copy[64], *save, *end;
    uint8_t c[4] = { 0, 0, 0, 255 };
    int n = 0;
    if (strlen(text) >= sizeof copy)
        return false;
    strcpy(copy, text);
    if (!(end = strchr(copy, ')')) || end[1])
        return false;
    *end = '\0';
    for (char *t = strtok_r(copy, ", /", &save); t; t = strtok_r(NULL, ", /", &save), n++)
        if (n == 4 || !component(t, n == 3 ? 1 : 255, &c[n]))
            return false;
    *out = (struct ic_colour){ c[0], c[1], c[2], c[3] };
    return n >= 3;
}

bool query_colour_parse(const char *text, struct ic_colour *out)
{
    if (!strncasecmp(text, "rgb(", 4))
        return from_function(text + 4, out);
    if (!strncasecmp(text, "rgba(", 5))
        return from_function(text + 5, out);
    return from_hex(text + (*text == '#'), out) || from_name(text, out);
}
