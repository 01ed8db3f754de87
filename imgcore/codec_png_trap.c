/* libpng's callbacks for errors and memory: failures come back as a return value, memory comes from the budget.
 *
 * The one setjmp of the codec stands in png_guard, which has no locals that could be clobbered. libpng's own
 * png_jmpbuf is not used: its struct does not exist yet when creating it fails. */
#include "codec_png.h"

#include <stdio.h>

bool png_guard(struct png_trap *t, void (*step)(void *arg), void *arg)
{
    if (setjmp(t->back))
        return false;
    step(arg);
    return true;
}

enum ic_code png_trap_fail(const struct png_trap *t, enum ic_code otherwise, struct ic_error *e)
{
    if (t->own.code != IC_OK)
        return ic_fail(e, t->own.code, "%s", t->own.text);
    if (t->no_memory)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG");
    return ic_fail(e, otherwise, "PNG: %s", t->text);
}

_Noreturn void png_trap_error(png_structp png, png_const_charp text)
{
    struct png_trap *t = png_get_error_ptr(png);
    snprintf(t->text, sizeof t->text, "%s", text);
    longjmp(t->back, 1);
}

void png_trap_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

png_voidp png_trap_malloc(png_structp png, png_alloc_size_t n)
{
    struct png_trap *t = png_get_mem_ptr(png);
    void *p = ic_alloc(t->mem, n);
    if (!p)
        t->no_memory = true;
    return p;
}

void png_trap_free(png_structp png, png_voidp p)
{
    struct png_trap *t = png_get_mem_ptr(png);
    ic_free(t->mem, p);
}
