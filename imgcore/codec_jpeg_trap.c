/* libjpeg's error manager: failures come back as a return value, warnings are noted.
 *
 * libjpeg can only leave a failing call by longjmp. The one setjmp of the codec stands in jpeg_guard, which has no
 * locals that could be clobbered; everything a step needs lies behind its argument. */
#include "codec_jpeg.h"

#include <string.h>

#include <jerror.h>

static enum ic_code code_of(int msg)
{
    switch (msg) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE: /* max_memory_to_use passed */
        return IC_E_MEMORY;
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW:
        return IC_E_LIMIT;
    default: /* what is not supported has been told from what is corrupt by the probe */
        return IC_E_CORRUPT;
    }
}

_Noreturn static void trap_exit(j_common_ptr cinfo)
{
    struct jpeg_trap *t = (struct jpeg_trap *)cinfo->err;
    t->code = code_of(t->mgr.msg_code);
    t->mgr.format_message(cinfo, t->text);
    longjmp(t->back, 1);
}

static void trap_message(j_common_ptr cinfo, int level)
{
    struct jpeg_trap *t = (struct jpeg_trap *)cinfo->err;
    if (level < 0)
        t->mgr.num_warnings++;
    if (level < 0 && t->mgr.msg_code == JWRN_HIT_MARKER)
        t->starved = true;
}

static void trap_output(j_common_ptr cinfo)
{
    (void)cinfo;
}

struct jpeg_error_mgr *jpeg_trap_init(struct jpeg_trap *t)
{
    jpeg_std_error(&t->mgr);
    t->mgr.error_exit = trap_exit;
    t->mgr.emit_message = trap_message;
    t->mgr.output_message = trap_output;
    return &t->mgr;
}

bool jpeg_guard(struct jpeg_trap *t, void (*step)(void *arg), void *arg)
{
    if (setjmp(t->back))
        return false;
    step(arg);
    return true;
}

_Noreturn void jpeg_trap_raise(struct jpeg_trap *t, const struct ic_error *e)
{
    t->code = e->code;
    snprintf(t->text, sizeof t->text, "%.*s", (int)sizeof t->text - 1, e->text);
    longjmp(t->back, 1);
}
