/* A background job on disk: what each file in its directory means. Knows nothing of running it.
 *
 *     SPOOL/secret            makes ids of Idempotency-Keys
 *     SPOOL/new/ID/           a job whose request is still being read
 *     SPOOL/jobs/ID/
 *         job.json            created, recipe, names of items and outputs
 *         lock                an OFD lock on it is the lease: whoever holds it works on the job
 *         started             some item was begun
 *         in.0007             a source; goes when its results are recorded
 *         out.0007.thumb.jpg  a result; .tmp behind it: not whole
 *         mark.0              a watermark that came with the request
 *         results             a line of JSON for each result, those of one item in one write
 *         done, cancelled, failed    how it ended; failed says why
 *
 * The lines of results are the truth about items: what is not told there is done again, whatever else lies about. */
#ifndef JOB_DIR_H
#define JOB_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define JOB_ID    128 /* bytes of an id, its NUL included */
#define JOB_FILE  96  /* of a file's name in a job */
#define JOB_ITEMS 10000

/* Makes the directories below spool_dir that are missing. The descriptor of SPOOL, -1: errno. */
int job_spool_open(const char *spool_dir);

/* A new id: NODE-RANDOM. With a key (not "") the random part is made of it and of the spool's secret, so that the same
 * key gives the same id and nobody else can guess it. false: errno. */
bool job_id_make(int spool, const struct config *c, const char *key, char out[JOB_ID]);
/* Whether it can be one at all: safe in a path. */
bool job_id_valid(const char *id);

/* The directory of a job, -1: there is none. */
int job_dir_open(int spool, const char *id);
/* Takes the lease of an open job: the descriptor that holds it, -1: somebody else has it. */
int job_dir_lease(int dir);

bool job_dir_has(int dir, const char *file);
bool job_dir_mark(int dir, const char *file, const char *text); /* whole or not at all */
/* All of a file, NUL-terminated (malloc), NULL: it can't be read. */
char *job_dir_text(int dir, const char *file, size_t *n);

void job_input_name(int item, char out[JOB_FILE]);
void job_mark_name(int slot, char out[JOB_FILE]);
/* With the extension of a format. */
void job_output_name(int item, const char *output, enum ic_format f, char out[JOB_FILE]);

/* job.json. */
struct job_description {
    struct json_t *json; /* owned */
    int items, outputs;
    int64_t created_ms;
};
bool job_describe(int dir, struct job_description *d); /* false: it is missing or broken */
void job_description_free(struct job_description *d);
const char *job_item_name(const struct job_description *d, int item);
const char *job_output(const struct job_description *d, int output);

/* Whole lines of results, parsed, as a JSON array (owned by the caller); a torn last line is left out. */
struct json_t *job_results(int dir);
/* Appends lines in one write. */
bool job_results_append(int dir, const char *lines, size_t n);

/* Removes what no line of results speaks of, and sources that are done with; done[item] tells. For whoever has the
 * lease. all: every source and result. */
void job_dir_clean(int dir, const bool *done, int items, bool all);

/* Bytes that a job's files take. */
int64_t job_dir_bytes(int dir);
/* A directory of SPOOL ("jobs" or "new") and all in it. */
void job_dir_remove(int spool, const char *below, const char *id);

#endif
