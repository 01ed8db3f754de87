/* Fuzzes the codecs as a worker uses them: probe, open, pull every row, close; the first byte chooses the scale, and
 * whether a rough picture will do.
 *
 * clang -fsanitize=fuzzer,address,undefined with imgcore's probe*.c, codec*.c, meta.c, mem.c and error.c, and the codec
 * libraries. Every byte of every row is read, memory stays in the budget and is given back, and each plane yields
 * exactly the rows it promised. */
#include <stdlib.h>

#include "../../imgcore/codec.h"

#define MEMORY     ((size_t)64 << 20)
#define MAX_PIXELS 1000000

static void require(int ok)
{
    if (!ok)
        abort();
}

static unsigned sum; /* so that reading is not optimised away */

static void read_plane(const struct ic_plane *plane, const struct ic_rows *r, int i)
{
    for (uint32_t y = 0; y < r->n[i]; y++)
        for (size_t x = 0; x < (size_t)plane->width * (size_t)plane->channels; x++)
            sum += r->p[i][y * r->stride[i] + x];
}

static void pull(struct ic_source *s)
{
    uint32_t left[IC_PLANES] = { 0 };
    struct ic_rows r;
    for (int i = 0; i < s->shape.n; i++)
        left[i] = s->shape.plane[i].height;
    for (;;) {
        if (ic_source_rows(s, &r, NULL) != IC_OK)
            return;
        if (!(r.n[0] | r.n[1] | r.n[2] | r.n[3]))
            break;
        for (int i = 0; i < s->shape.n; i++) {
            require(r.n[i] <= left[i]);
            left[i] -= r.n[i];
            read_plane(&s->shape.plane[i], &r, i);
        }
    }
    for (int i = 0; i < s->shape.n; i++)
        require(left[i] == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    ic_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int scales[4] = { 8, 4, 2, 1 };
    struct ic_mem mem = { .limit = MEMORY };
    struct ic_info info;
    struct ic_source *s = NULL;
    if (size < 1)
        return 0;
    struct ic_bytes in = { data + 1, size - 1 };
    if (ic_probe(in, &info, NULL) != IC_OK || (uint64_t)info.width * info.height > MAX_PIXELS)
        return 0;
    struct ic_source_opt o = { .expect = &info, .scale = scales[data[0] & 3], .rough = data[0] & 4, .mem = &mem };
    if (ic_codec_of(info.format)->open(in, &o, &s, NULL) == IC_OK)
        pull(s);
    ic_source_close(s);
    require(mem.used == 0 && mem.peak <= MEMORY);
    return 0;
}
