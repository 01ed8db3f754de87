/* Progressive JPEG, reading: which scans a small picture needs. Called by codec_jpeg.c while it opens a source.
 *
 * The scans of a file refine the whole frame, and the last ones, which cost most, bring bits that a picture at 4/8 or
 * less shows nothing of. So scans are read until the coefficients that the scaled IDCT keeps are known well enough,
 * and the rest of the file is only searched for its end. The script of the file decides, not a count of scans: libjpeg
 * notes in coef_bits how many low bits of each coefficient are still missing. */
#include "codec_jpeg.h"

#include <string.h>

/* How far a kept coefficient may still be from its value, in units of dequantised coefficients: eight of them are one
 * level of brightness over the block. On eight progressive photographs, scaled down to 200 to 1200 pixels and encoded
 * at quality 80, the PSNR against an ideal resampling of all scans fell by 0.05 dB on average, 0.24 at most, and the
 * time to a quarter to a half. 24 at 4/8, too, would cost up to 0.47 dB; 8 at all scales would double the time. */
#define ENOUGH_LARGE 16 /* at 4/8 */
#define ENOUGH_SMALL 24

/* k, the place in the scan, of each coefficient in rows of rising vertical frequency. */
static const uint8_t zigzag[DCTSIZE][DCTSIZE] = {
    { 0, 1, 5, 6, 14, 15, 27, 28 },     { 2, 4, 7, 13, 16, 26, 29, 42 },    { 3, 8, 12, 17, 25, 30, 41, 43 },
    { 9, 11, 18, 24, 31, 40, 44, 53 },  { 10, 19, 23, 32, 39, 45, 52, 54 }, { 20, 22, 33, 38, 46, 51, 55, 60 },
    { 21, 34, 37, 47, 50, 56, 59, 61 }, { 35, 36, 48, 49, 57, 58, 62, 63 },
};

/* missing: low bits not yet read, -1 where no scan held the coefficient yet. */
static bool coefficient_known(int missing, unsigned step, unsigned enough)
{
    return missing == 0 || (missing > 0 && missing < 8 && ((1u << missing) - 1) * step <= enough);
}

static bool component_known(const jpeg_component_info *c, const int *missing, unsigned enough)
{
    if (!c->quant_table) /* no scan of it yet */
        return false;
    for (int v = 0; v < c->DCT_scaled_size; v++)
        for (int u = 0; u < c->DCT_scaled_size; u++)
            if (!coefficient_known(missing[zigzag[v][u]], c->quant_table->quantval[v * DCTSIZE + u], enough))
                return false;
    return true;
}

static bool frame_known(const struct jpeg_decompress_struct *d)
{
    unsigned enough = d->min_DCT_scaled_size < 4 ? ENOUGH_SMALL : ENOUGH_LARGE;

    for (int i = 0; i < d->num_components; i++)
        if (!component_known(&d->comp_info[i], d->coef_bits[i], enough))
            return false;
    return true;
}

void jpeg_scans_read(struct jpeg_decompress_struct *d)
{
    int status;

    do {
        status = jpeg_consume_input(d);
        d->progress->progress_monitor((j_common_ptr)d);
    } while (status != JPEG_REACHED_EOI && (status != JPEG_SCAN_COMPLETED || !frame_known(d)));
    jpeg_start_output(d, d->input_scan_number);
}

/* Past the marker segment that begins at p, or to end where it is cut. */
static const uint8_t *segment_skip(const uint8_t *p, const uint8_t *end)
{
    size_t n = end - p < 2 ? SIZE_MAX : (size_t)p[0] << 8 | p[1];

    return n > (size_t)(end - p) ? end : p + n;
}

bool jpeg_end_follows(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (p = memchr(p, 0xff, (size_t)(end - p))) && ++p < end) {
        if (*p == JPEG_EOI)
            return true;
        if (*p == 0xff)
            continue;
        p++;
        if (p[-1] != 0 && (p[-1] < JPEG_RST0 || p[-1] > JPEG_RST0 + 7))
            p = segment_skip(p, end);
    }
    return false;
}

/* The entropy decoder may have taken the next marker already. */
bool jpeg_scans_end(struct jpeg_decompress_struct *d)
{
    const uint8_t *p = d->src->next_input_byte, *end = p + d->src->bytes_in_buffer;

    if (jpeg_input_complete(d) || d->unread_marker == JPEG_EOI)
        return true;
    return jpeg_end_follows(d->unread_marker ? segment_skip(p, end) : p, end);
}
