/* Names of saved files, called by api_img and for uploads: they come from URLs and forms, and end in a header and on
 * somebody's disk, so nothing that means anything to either is let through.
 *
 * Escaping inside of the quoted string was rejected: browsers disagree about backslashes there. What would need it is
 * replaced, and the true name goes into filename*. */
#include "disposition.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "utf8.h"

#define NAME 200 /* bytes without the extension */

static bool forbidden(unsigned char c)
{
    return c < 0x20 || c == 0x7f || strchr("/\\:*?\"<>|", c) != NULL;
}

/* Length of the name without the extension of an image. */
static size_t stem(const char *name)
{
    static const char *const known[] = { ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".avif", ".tif", ".tiff" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && dot > name && i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(dot, known[i]))
            return (size_t)(dot - name);
    return strlen(name);
}

/* Copies what may stay, as valid UTF-8; no dot in front, which would hide the file. */
static void clean(const char *name, size_t n, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < n && used + 5 < NAME;) {
        const unsigned char *p = (const unsigned char *)name + i;
        size_t len = utf8_length(p);
        bool keep = len > 0 && i + len <= n && !(len == 1 && forbidden(*p)) && !(used == 0 && *p == '.');
        if (keep)
            memcpy(out + used, p, len);
        else
            out[used] = '_';
        used += keep ? len : 1;
        i += len ? len : 1;
    }
    out[used] = '\0';
}

/* For clients that know filename only. A %, which some of them decode, becomes _ as well. */
static void write_ascii(const char *name, char *out)
{
    for (; *name; name++)
        if (((unsigned char)*name & 0xc0) != 0x80)
            *out++ = (char)((unsigned char)*name >= 0x80 || *name == '%' ? '_' : *name);
    *out = '\0';
}

static void write_encoded(const char *name, char *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&+-.^_`|~";
    for (; *name; name++)
        if (strchr(plain, *name))
            *out++ = *name;
        else
            out += sprintf(out, "%%%02X", (unsigned char)*name);
    *out = '\0';
}

const char *disposition(bool attachment, const char *name, enum ic_format format, char out[DISPOSITION_SIZE])
{
    char kept[NAME], ascii[NAME], encoded[3 * NAME];
    const char *type = attachment ? "attachment" : "inline";
    const char *extension = format == IC_FORMAT_JPEG ? "jpg" : ic_format_name(format);
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    clean(name, stem(name), kept);
    if (!*kept)
        strcpy(kept, "image");
    write_ascii(kept, ascii);
    write_encoded(kept, encoded);
    if (!strcmp(ascii, kept))
        snprintf(out, DISPOSITION_SIZE, "%s; filename=\"%s.%s\"", type, ascii, extension);
    else
        snprintf(out, DISPOSITION_SIZE, "%s; filename=\"%s.%s\"; filename*=UTF-8''%s.%s", type, ascii, extension,
                 encoded, extension);
    return out;
}
