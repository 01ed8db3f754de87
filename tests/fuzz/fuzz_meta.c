/* Fuzzes what reads and writes metadata: the walks of the three containers, EXIF, XMP, IPTC, and colour profiles.
 *
 * The first byte chooses which of them the rest is given to. What was built must be built again from itself to the same
 * bytes, must hold no word that may not leave, and all memory must come back. */
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/exif.h"
#include "../../imgcore/icc.h"
#include "../../imgcore/iptc.h"
#include "../../imgcore/meta.h"
#include "../../imgcore/xmp.h"

static struct ic_mem mem;

static void require(int ok)
{
    if (!ok)
        abort();
}

/* Ended, and nothing behind the end. */
static void check_text(const char *text, size_t size)
{
    size_t n = strnlen(text, size);

    require(n < size);
    for (; n < size; n++)
        require(text[n] == '\0');
}

static void check_shot(struct ic_bytes in)
{
    struct ic_shot s;

    ic_exif_shot(in, &s);
    check_text(s.make, sizeof s.make);
    check_text(s.lens, sizeof s.lens);
    check_text(s.taken, sizeof s.taken);
    check_text(s.copyright, sizeof s.copyright);
    require(s.exposure >= 0 && s.f_number >= 0 && s.focal_length >= 0);
    require(!s.placed || (s.latitude >= -90 && s.latitude <= 90 && s.longitude >= -180 && s.longitude <= 180));
}

static void check_exif(struct ic_bytes in)
{
    const struct ic_exif_facts f = { .width = 40, .height = 30, .orientation = 1, .srgb = true };
    struct ic_error e;
    uint8_t *once = NULL, *twice = NULL;
    size_t n = 0, again = 0;

    ic_exif_orientation(in);
    check_shot(in);
    require(ic_exif_text(in, IC_EXIF_COPYRIGHT).n <= in.n);
    require(ic_exif_keep(&mem, in, &f, &once, &n, &e) == IC_OK && n <= IC_BLOCK_MAX);
    if (!n)
        return;
    require(ic_exif_orientation((struct ic_bytes){ once, n }) == 1);
    require(ic_exif_keep(&mem, (struct ic_bytes){ once, n }, &f, &twice, &again, &e) == IC_OK);
    require(again == n && memcmp(once, twice, n) == 0);
    ic_free(&mem, once);
    ic_free(&mem, twice);
}

static void check_xmp(struct ic_bytes in)
{
    const struct ic_xmp_facts f = { .width = 40, .height = 30, .orientation = 1 };
    struct ic_error e;
    uint8_t *out = NULL;
    char text[100];
    size_t n;

    require(ic_xmp_text(in, "dc:rights", text, sizeof text) <= sizeof text);
    require(ic_xmp_keep(&mem, in, &f, &out, &n, &e) == IC_OK && n <= IC_BLOCK_MAX);
    ic_free(&mem, out);
}

static void check_iptc(struct ic_bytes in)
{
    struct ic_error e;
    uint8_t *out = NULL;
    size_t n;

    ic_iptc_text(in, IC_IPTC_COPYRIGHT);
    require(ic_iptc_keep(&mem, in, &out, &n, &e) == IC_OK && n <= in.n);
    ic_free(&mem, out);
}

static void check_profile(struct ic_bytes in)
{
    struct ic_icc_cache cache = { .mem = &mem };
    char name[40];
    uint8_t px[4][4] = { { 0, 80, 160, 255 }, { 9, 9, 9, 9 }, { 255, 0, 255, 0 }, { 1, 2, 3, 4 } };

    ic_icc_name(in, name, sizeof name);
    check_text(name, sizeof name);
    for (int pixels = IC_ICC_GREY; pixels <= IC_ICC_CMYK; pixels++) {
        const struct ic_icc *icc = NULL;
        struct ic_error e;

        if (ic_icc_get(&cache, in, (enum ic_icc_pixels)pixels, &icc, &e) == IC_OK && icc)
            ic_icc_row(icc, (uint8_t *[]){ px[0], px[1], px[2], px[3] }, 4);
    }
    ic_icc_cache_free(&cache);
}

static void check_container(struct ic_bytes in, enum ic_format format)
{
    struct ic_meta m;
    struct ic_error e;

    if (ic_meta_read(&m, &mem, format, in, &e) == IC_OK) {
        check_exif(m.exif);
        check_xmp(m.xmp);
        check_iptc(m.iptc);
        require(m.profile.n <= IC_PROFILE_MAX);
    }
    ic_meta_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ic_bytes in = { data + 1, size - 1 };

    if (size < 1)
        return 0;
    if (!mem.limit)
        ic_init();
    mem.limit = (size_t)64 << 20;
    switch (data[0] % 7) {
    case 0:
        check_exif(in);
        break;
    case 1:
        check_xmp(in);
        break;
    case 2:
        check_iptc(in);
        break;
    case 3:
        check_profile(in);
        break;
    default:
        check_container(in, (enum ic_format)(IC_FORMAT_JPEG + data[0] % 7 - 4));
    }
    require(mem.used == 0);
    return 0;
}
