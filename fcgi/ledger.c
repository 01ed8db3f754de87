/* The page that the spawner shares with its gateways, and with the binary that takes its place.
 *
 * Each gateway books in a slot of its own, and all look at the sum: so two generations keep within one memory_limit
 * while one takes over from the other, and what a killed gateway held is gone with its slot. A counter for all would
 * have to be mended after every death. Deaths are written by the spawner alone and read by anybody; a number that is
 * odd while one is written tells a reader to look again. */
#include "ledger.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct ledger {
    uint32_t form; /* LEDGER_FORM, for another binary that finds it */
    atomic_size_t booked[LEDGER_SLOTS];
    atomic_uint active[LEDGER_SLOTS]; /* a struct sandbox_state, in one piece */
    atomic_llong beat_ms[LEDGER_SLOTS];
    atomic_uint written; /* odd: a death is being written */
    uint32_t deaths;     /* ever */
    struct ledger_death death[LEDGER_DEATHS];
};

#define LEDGER_FORM ((uint32_t)sizeof(struct ledger) << 8 | 1) /* the last byte changes with the meaning of a field */

static struct ledger own;
static struct ledger *ledger = &own; /* all three set while the process has one thread */
static int slot, file = -1;

static bool ledger_map(int fd)
{
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    ledger = p;
    file = fd;
    return true;
}

/* Of another size it must not be touched: there may be no page behind it. */
static bool ledger_adopt(int fd)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size != (off_t)sizeof own || !ledger_map(fd))
        return false;
    if (ledger->form == LEDGER_FORM)
        return true;
    ledger_leave();
    return false;
}

bool ledger_share(int fd)
{
    if (ledger_adopt(fd))
        return true;
    int fresh = memfd_create("pixpool-ledger", MFD_CLOEXEC);
    if (fresh >= 0 && ftruncate(fresh, (off_t)sizeof own) == 0 && ledger_map(fresh))
        ledger->form = LEDGER_FORM;
    else if (fresh >= 0)
        close(fresh); /* each generation counts for itself */
    return false;
}

int ledger_fd(void)
{
    return file;
}

void ledger_leave(void)
{
    if (ledger != &own)
        munmap(ledger, sizeof own);
    ledger = &own;
    file = -1;
}

void ledger_sit(int s)
{
    slot = s;
}

/* Books first and looks then: of two who do so at once both may be refused, but never are both let in. */
bool ledger_book(size_t bytes, size_t max)
{
    if (bytes > max)
        return false;
    atomic_fetch_add(&ledger->booked[slot], bytes);
    if (ledger_booked() <= max)
        return true;
    ledger_unbook(bytes);
    return false;
}

void ledger_unbook(size_t bytes)
{
    atomic_fetch_sub(&ledger->booked[slot], bytes);
}

size_t ledger_booked(void)
{
    size_t sum = 0;
    for (int i = 0; i < LEDGER_SLOTS; i++)
        sum += atomic_load(&ledger->booked[i]);
    return sum;
}

void ledger_tell(const struct sandbox_state *active)
{
    unsigned word = 0;
    static_assert(sizeof word == sizeof *active, "one piece");
    memcpy(&word, active, sizeof word);
    atomic_store(&ledger->active[slot], word);
}

struct sandbox_state ledger_told(void)
{
    struct sandbox_state active;
    unsigned word = atomic_load(&ledger->active[slot]);
    memcpy(&active, &word, sizeof word);
    return active;
}

void ledger_clear(int s)
{
    atomic_store(&ledger->booked[s], 0);
    atomic_store(&ledger->active[s], 0);
    atomic_store(&ledger->beat_ms[s], 0);
}

void ledger_beat(int64_t now_ms)
{
    atomic_store(&ledger->beat_ms[slot], now_ms);
}

int64_t ledger_beat_ms(int s)
{
    return atomic_load(&ledger->beat_ms[s]);
}

void ledger_mourn(const struct ledger_death *d)
{
    atomic_fetch_add(&ledger->written, 1);
    ledger->death[ledger->deaths++ % LEDGER_DEATHS] = *d;
    atomic_fetch_add(&ledger->written, 1);
}

static int deaths_copy(struct ledger_death out[LEDGER_DEATHS])
{
    uint32_t all = ledger->deaths, n = all < LEDGER_DEATHS ? all : LEDGER_DEATHS;
    for (uint32_t i = 0; i < n; i++)
        out[i] = ledger->death[(all - 1 - i) % LEDGER_DEATHS];
    return (int)n;
}

int ledger_deaths(struct ledger_death out[LEDGER_DEATHS])
{
    for (int tries = 0; tries < 100; tries++) {
        unsigned before = atomic_load(&ledger->written);
        int n = deaths_copy(out);
        if (before % 2 == 0 && atomic_load(&ledger->written) == before)
            return n;
    }
    return 0;
}
