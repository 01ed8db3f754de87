/* What the program says about itself: --help, --man, --completion, --print-options. Called by main.c.
 *
 * One list of commands and examples serves --help and the manual page; keys and options come from their tables. */
#include <ctype.h>
#include <string.h>

#include "cmd.h"
#include "man.h"
#include "query.h"

const char *const cmd_summary = "pixpool resizes, crops and converts images as a FastCGI service behind a web server.";

const char *const cmd_status_text =
    "0, 1 where it failed, 2 where it was called in a wrong way, 130 where batch was interrupted.";

const char *const cmd_options_text = "Written k=v,k=v here and k=v&k=v in a URL. Their order does not matter.";

const struct cmd_usage cmd_usages[] = {
    { "pixpool serve [--config FILE] [--key=value ...]", "Serve requests." },
    { "pixpool fcgid [--config FILE] [--key=value ...]",
      "Serve requests as one of the processes that Apache's mod_fcgid starts, which have workers and queue together. "
      "The "
      "same where pixpool is called as pixpool.fcgi; it reads pixpool.conf beside it then." },
    { "pixpool check [--nginx FILE] [--fcgid] [--config FILE] [--key=value ...]",
      "Say what would go wrong with it, and what to do. --nginx FILE is nginx's own configuration: whether it reaches "
      "pixpool, and lets through what pixpool takes. --fcgid: it shall run as pixpool fcgid, without a socket." },
    { "pixpool upgrade [--config FILE] [--key=value ...]",
      "Make the running service the binary that is installed now; no request is lost." },
    { "pixpool process IN -o OUT [OPTIONS] [-o OUT2 [OPTIONS2] ...] [--mark FILE] [--repeat N] [--timing] [--quiet] "
      "[--explain] [--key=value ...]",
      "Make images on the command line. IN and OUT may be -. All outputs come from one decode. OUT's extension decides "
      "the format unless format= does. --mark FILE is the watermark that mark=upload means. --repeat runs the job "
      "again in a warm engine, --timing prints a line for each run, --explain prints what would be done instead of "
      "doing it." },
    { "pixpool batch DIR... --out DIR2 [--outputs NAME,NAME] [OPTIONS] [--jobs N] [--force] [--lines] [--key=value "
      "...]",
      "Make images of all images below directories, in as many processes as there are CPUs. --outputs names renditions "
      "of the configuration (all of them where neither names nor OPTIONS are given). What is up to date is left alone "
      "unless --force is given, so that an interrupted run goes on where it was. A bar shows progress on a terminal, a "
      "line for each file elsewhere or with --lines." },
    { "pixpool cache sweep [--config FILE] [--key=value ...]",
      "Remove from cache_dir what is older than cache_ttl, and what is too much for cache_size, as a running service "
      "does "
      "by itself; for cron, where a web server answers from cache_dir alone." },
    { "pixpool sign [--key ID] [--config FILE] URL ...", "Print the URLs with their signatures." },
    { "pixpool info FILE [--gps] [--key=value ...]", "Say what an image is, as JSON." },
    { "pixpool --print-config [--config FILE] [--key=value ...]", "The sample file, or the values in force." },
    { "pixpool --print-options", "The options of images as a table in Markdown." },
    { "pixpool --man 1|5", "The manual pages pixpool(1) and pixpool.conf(5)." },
    { "pixpool --completion", "What makes bash complete commands, keys and options." },
    { "pixpool --cpu", "The instructions that each kernel uses on this machine." },
    { "pixpool --version", "The versions of pixpool and of the codecs." },
    { "pixpool --help", "This." },
    { NULL, NULL }
};

const char *const cmd_examples[] = {
    "pixpool serve --listen=127.0.0.1:9000 --image_root=/srv/images",
    "pixpool process photo.jpg -o small.webp w=800,h=600,q=80",
    "pixpool process photo.jpg -o l.jpg w=1600 -o m.jpg w=800 -o s.jpg w=150,h=150,fit=cover",
    "pixpool batch photos --out web w=1600,format=webp",
    "curl -s https://example.org/a.png | pixpool process - -o - w=300,format=jpeg >a.jpg",
    NULL
};

#define WIDTH 100

/* Words of text in lines of WIDTH, each behind indent blanks. */
static void print_wrapped(int indent, const char *text)
{
    int column = 0;

    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + n > WIDTH) {
            putchar('\n');
            column = 0;
        }
        column += printf("%*s%.*s", column ? 1 : indent, "", n, text);
        text += n + (text[n] == ' ');
    }
    putchar('\n');
}

int cmd_help(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("%s\n\n", cmd_summary);
    for (const struct cmd_usage *u = cmd_usages; u->synopsis; u++) {
        print_wrapped(2, u->synopsis);
        print_wrapped(6, u->text);
    }
    putchar('\n');
    for (const char *const *e = cmd_examples; *e; e++)
        printf("  %s\n", *e);
    printf("\nExit status: %s\n\nOptions of images. %s\n\n", cmd_status_text, cmd_options_text);
    query_help(stdout);
    puts("\nKeys of the configuration, also in --config FILE (or PIXPOOL_CONFIG) and as PIXPOOL_<KEY>:\n");
    config_help(stdout);
    return CMD_OK;
}

int cmd_print_options(int argc, char **argv)
{
    (void)argc, (void)argv;
    query_markdown(stdout);
    return CMD_OK;
}

int cmd_man(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "1") == 0)
        man_page_command(stdout);
    else if (argc == 1 && strcmp(argv[0], "5") == 0)
        man_page_config(stdout);
    else
        return cmd_complain("--man takes 1 (the command) or 5 (its configuration)"), CMD_USAGE;
    return CMD_OK;
}

/* The word in hand is taken from the line, because bash splits words at = as well; what it shall insert is then what
 * stands behind the last =. */
static const char completion[] =
    "_pixpool()\n"
    "{\n"
    "    local line=${COMP_LINE:0:COMP_POINT} word piece before candidates name command\n"
    "    word=${line##* }\n"
    "    command=${line#* } command=${command%% *}\n"
    "    COMPREPLY=()\n"
    "    if [[ $line != *' '*' '* && $word != --* ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$_pixpool_commands\" -- \"$word\")\n"
    "        return\n"
    "    fi\n"
    "    piece=${word##*,}\n"
    "    before=${word%\"$piece\"}\n"
    "    name=${piece%%=*}=\n"
    "    candidates=$_pixpool_options\n"
    "    [[ $word == --* ]] && candidates=$_pixpool_keys && piece=$word before= &&\n"
    "        candidates+=$(sed -n \"s/^$command //p\" <<<\"$_pixpool_own\")\n"
    "    [[ $line == *' -o '+([! ]) || ($word != *=* && $word != --* && -e $word) ]] && return\n"
    "    if [[ $piece == *=* ]]; then\n"
    "        candidates=$(grep -- \"^$name\" <<<\"$candidates\")\n"
    "        candidates=${candidates#\"$name\"}\n"
    "        candidates=$(for w in ${candidates//,/ }; do echo \"$name$w\"; done)\n"
    "    else\n"
    "        candidates=$(sed 's/=.*/=/' <<<\"$candidates\")\n"
    "        compopt -o nospace 2>/dev/null\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -P \"$before\" -W \"$candidates\" -- \"$piece\")\n"
    "    local cut=\n"
    "    [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && cut=${word%\"${word##*=}\"}\n"
    "    COMPREPLY=(\"${COMPREPLY[@]#\"$cut\"}\")\n"
    "}\n"
    "complete -o default -F _pixpool pixpool\n";

/* What a command takes beside keys, from its synopsis: "check --nginx=" where a value follows, "check --fcgid" alone.
 */
static void own_words(const char *synopsis)
{
    int command = (int)strcspn(synopsis, " ");

    for (const char *p = synopsis + command; (p = strstr(p, "--")); p += 2) {
        int n = (int)strspn(p, "-abcdefghijklmnopqrstuvwxyz");
        if (p[n] != '=' && strncmp(p, "--config", 8) != 0)
            printf("%.*s %.*s%s\n", command, synopsis, n, p,
                   p[n] == ' ' && isupper((unsigned char)p[n + 1]) ? "=" : "");
    }
}

int cmd_completion(int argc, char **argv)
{
    (void)argc, (void)argv;
    puts("# bash completion of pixpool, as printed by pixpool --completion.\nshopt -s extglob");
    printf("_pixpool_commands='");
    for (const struct cmd_usage *u = cmd_usages; u->synopsis; u++)
        printf("%s%.*s", u == cmd_usages ? "" : " ", (int)strcspn(u->synopsis + 8, " "), u->synopsis + 8);
    puts("'\n_pixpool_keys='--config=");
    config_words(stdout);
    puts("'\n_pixpool_own='");
    for (const struct cmd_usage *u = cmd_usages; u->synopsis; u++)
        if (u->synopsis[8] != '-')
            own_words(u->synopsis + 8);
    puts("'\n_pixpool_options='");
    query_words(stdout);
    puts("'");
    fputs(completion, stdout);
    return CMD_OK;
}
