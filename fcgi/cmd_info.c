/* pixpool info FILE: what an image is, as JSON on standard output. The same job as a worker's, run in this process. */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "engine.h"
#include "file.h"
#include "info_json.h"

struct info {
    const char *in; /* path, or - */
    bool gps;
    struct cmd_words words;
};

static bool take_word(struct info *f, int argc, char **argv, int *i)
{
    const char *word = argv[*i];

    if (strcmp(word, "--gps") == 0)
        return f->gps = true;
    if (cmd_words_take(&f->words, argc, argv, i))
        return true;
    if ((word[0] == '-' && word[1] != '\0') || f->in) {
        cmd_complain("info: not expected: %s; pixpool --help", word);
        return false;
    }
    f->in = word;
    return true;
}

static struct ic_engine *info_engine(struct config *c)
{
    struct ic_engine *g = NULL;
    char why[600];

    ic_init();
    if (!config_files_read(c, why, sizeof why) || !(g = engine_create(c, why, sizeof why)))
        cmd_complain("%s", why);
    return g;
}

static enum cmd_status info_print(const struct info *f, struct config *c, struct ic_bytes in)
{
    struct ic_engine *g = info_engine(c);
    struct ic_facts facts;
    struct ic_error e = { .text = "out of memory" };
    char *json = NULL;

    if (!g)
        return CMD_FAILED;
    if (ic_inspect(g, in, &facts, &e) == IC_OK)
        json = info_json(&facts, in.n, f->gps);
    ic_engine_free(g);
    if (json)
        fputs(json, stdout);
    else
        cmd_complain("%s: %s", f->in, e.text);
    free(json);
    return json ? CMD_OK : CMD_FAILED;
}

static enum cmd_status info_run(const struct info *f, struct config *c)
{
    uint8_t *data;
    size_t n;
    char why[160];

    if (!file_read(f->in, (size_t)c->max_body, &data, &n, why, sizeof why)) {
        cmd_complain("%s: %s", f->in, why);
        return CMD_FAILED;
    }
    enum cmd_status status = info_print(f, c, (struct ic_bytes){ data, n });
    free(data);
    return status;
}

int cmd_info(int argc, char **argv)
{
    struct info f = { .in = NULL };
    struct config c;
    enum cmd_status status;

    for (int i = 0; i < argc; i++)
        if (!take_word(&f, argc, argv, &i))
            return CMD_USAGE;
    if (!f.in) {
        cmd_complain("info: which image? FILE is missing; pixpool --help");
        return CMD_USAGE;
    }
    if ((status = cmd_configure(&c, &f.words)) != CMD_OK)
        return status;
    status = info_run(&f, &c);
    config_free(&c);
    return status;
}
