/* The door by which marks come in, apart from what uses them, so that a test can stand in for it. */
#include "engine.h"

void ic_engine_lend_marks(struct ic_engine *g, const struct ic_mark_bytes *marks, int n)
{
    g->lent_n = n < IC_MARKS ? n : IC_MARKS;
    for (int i = 0; i < g->lent_n; i++)
        g->lent[i] = marks[i];
}
