/* The table of configuration keys: one row is all a key needs to be parsed, checked, printed and explained.
 *
 * config.c and config_print.c walk it. A new key is a field in struct config and a row here; keys that depend on each
 * other are checked in config.c, because a row can't see another. */
#include <string.h>

#include "config_key.h"

#define OFF(field) offsetof(struct config, field)
#define KILO       INT64_C(1024)
#define MEGA       (KILO * KILO)
#define GIGA       (MEGA * KILO)
#define TERA       (GIGA * KILO)
#define MINUTE     INT64_C(60000)
#define DAY        (1440 * MINUTE)
#define TEXT       4095 /* bytes of a string, as PATH_MAX */

/* clang-format off */
const struct config_key config_keys[] = {
    { "listen", CONFIG_STRING, OFF(listen), .def = "unix:/run/pixpool/pixpool.sock", .min = 1, .max = TEXT,
      .values = "unix:/path, host:port, [v6]:port or fd:0", .group = "Where requests come from",
      .help = "The FastCGI socket. A socket handed over by systemd, or a listening standard input, goes first." },
    { "socket_mode", CONFIG_OCTAL, OFF(socket_mode), .def = "0660", .min = 0, .max = 0777,
      .help = "Permissions of a unix socket. The web server needs to read and write it." },
    { "socket_group", CONFIG_STRING, OFF(socket_group), .def = "", .max = 255, .values = "a group, or empty",
      .help = "Group of a unix socket, such as www-data. Empty: the group of the process." },
    { "backlog", CONFIG_INT, OFF(backlog), .def = "4096", .min = 1, .max = 65535,
      .help = "Connections that may wait to be accepted. The kernel caps it at net.core.somaxconn." },

    { "image_root", CONFIG_STRING, OFF(image_root), .def = "", .max = TEXT, .values = "a directory, or empty",
      .group = "Where images come from",
      .help = "GET /img/PATH serves what lies below this directory. Empty: there is no /img/." },
    { "image_url", CONFIG_STRING, OFF(image_url), .def = "/img/", .min = 1, .max = TEXT, .values = "a path, /.../",
      .help = "What image_root is called from outside, in place of /img/: encoded, as browsers send it." },
    { "mark_root", CONFIG_STRING, OFF(mark_root), .def = "", .max = TEXT, .values = "a directory, or empty",
      .help = "mark=PATH lays the image at PATH below this directory over the result. Empty: only watermarks with a name, "
              "from lines mark.NAME = FILE, and uploaded ones." },

    { "cmyk_profile", CONFIG_STRING, OFF(cmyk_profile), .def = "", .max = TEXT, .values = "a file, or empty",
      .help = "The ICC profile of CMYK images that have none of their own. Empty: their colours are guessed, with an "
              "X-Image-Warning." },

    { "workers", CONFIG_INT, OFF(workers), .def = "auto", .min = 0, .max = 1024, .automatic = true,
      .group = "Processes and threads",
      .help = "Processes that work on images, one image each. auto: one per online CPU. 0: no processes, jobs run in the "
              "threads that accept requests; for debugging." },
    { "queue", CONFIG_INT, OFF(queue), .def = "64", .min = 0, .max = 8192,
      .help = "Requests that may wait while all workers are busy. Those beyond are answered 503 at once." },
    { "threads", CONFIG_INT, OFF(threads), .def = "auto", .min = 0, .max = 16384, .automatic = true,
      .help = "Threads that hold requests; at least workers + queue + 8, so that some are left to answer 503. auto (or "
              "0): workers + queue + 80. Those beyond the least wait for slow uploads, which else keep places of the "
              "queue." },
    { "worker_jobs", CONFIG_COUNT, OFF(worker_jobs), .def = "10K", .min = 0, .max = INT64_C(1000000000),
      .help = "A worker is replaced after so many jobs. 1: one process per image. 0: never." },
    { "worker_nice", CONFIG_INT, OFF(worker_nice), .def = "10", .min = 0, .max = 19,
      .help = "Priority of the workers, below that of everything that answers requests. In a cpu cgroup (a container, a "
              "service with a CPUWeight) it counts inside of that alone; elsewhere each worker is a session of its own with "
              "this nice (autogroups). 19 starves them on a busy machine." },
    { "sandbox", CONFIG_ENUM, OFF(sandbox), .def = "strict", .words = "off limits strict",
      .help = "What workers give up before their first image. strict: files, sockets, other processes and every system "
              "call that codecs do not need; a worker that makes one ends, and the log names it. limits: memory, "
              "descriptors and privileges, other calls are only logged. off: nothing, for debugging." },
    { "slot_file", CONFIG_STRING, OFF(slot_file), .def = "", .max = TEXT, .values = "a file, or empty",
      .help = "pixpool fcgid: where all processes of this user find out how many of them work and wait. Empty: "
              "/tmp/pixpool-UID/slots, UID being the number of the user." },

    { "memory_limit", CONFIG_BYTES, OFF(memory_limit), .def = "auto", .min = 32 * MEGA, .max = 16 * TERA,
      .automatic = true, .group = "Memory",
      .help = "All of pixpool: the workers, and the bodies and results in flight; at least workers x worker_memory + "
              "max_body + max_result. auto: workers x worker_memory, and 512M or twice max_body + max_result where that "
              "is more." },
    { "worker_memory", CONFIG_BYTES, OFF(worker_memory), .def = "256M", .min = 16 * MEGA, .max = TERA,
      .help = "One job. An image that would need more is refused from its header, with 422." },
    { "max_body", CONFIG_BYTES, OFF(max_body), .def = "32M", .min = KILO, .max = 4 * GIGA,
      .help = "A request's body (beyond: 413), and a source below image_root (beyond: 422)." },
    { "max_result", CONFIG_BYTES, OFF(max_result), .def = "32M", .min = KILO, .max = 4 * GIGA,
      .help = "The encoded results of one job. Beyond: 422." },
    { "max_mark", CONFIG_BYTES, OFF(max_mark), .def = "2M", .min = KILO, .max = 64 * MEGA,
      .help = "A watermark's file." },

    { "batch_max", CONFIG_INT, OFF(batch_max), .def = "500", .min = 1, .max = 10000,
      .group = "Batches",
      .help = "Files of one batch. Each may have max_body bytes. Beyond: 400." },
    { "batch_spool", CONFIG_BYTES, OFF(batch_spool), .def = "1G", .min = MEGA, .max = 16 * TERA,
      .help = "Results of one batch that wait, in a file without a name in TMPDIR (else /tmp), for the end of its body. "
              "An image whose result finds no room there fails with 507." },

    { "spool_dir", CONFIG_STRING, OFF(spool_dir), .def = "", .max = TEXT, .values = "a directory, or empty",
      .group = "Background jobs",
      .help = "Where jobs of Prefer: respond-async live, sources and results, so that they survive restarts. Empty: such "
              "requests are answered like all others. Clients that are not on this machine need api_token then." },
    { "spool_max", CONFIG_BYTES, OFF(spool_max), .def = "4G", .min = MEGA, .max = 1024 * TERA,
      .help = "All jobs together. Beyond, the oldest finished ones go; where that is not enough: 507." },
    { "spool_age", CONFIG_SEC, OFF(spool_age_s), .def = "1d", .min = 1, .max = 365 * DAY / 1000,
      .help = "How long a finished job is kept." },
    { "node_name", CONFIG_STRING, OFF(node_name), .def = "", .max = 64, .values = "letters, digits, - and _, or empty",
      .help = "Begins the ids of jobs, so that a web server before several machines can route by it. Empty: the host's "
              "name." },

    { "store_dir", CONFIG_STRING, OFF(store_dir), .def = "", .max = TEXT, .values = "a directory, or empty",
      .group = "Store",
      .help = "Where renditions?store=1 writes its results, for the web server to serve. Empty: it does not. Clients that "
              "are not on this machine need api_token then." },
    { "store_url", CONFIG_STRING, OFF(store_url), .def = "/store/", .max = TEXT, .values = "a path, or an URL",
      .help = "What store_dir is called from outside; begins the URLs that store=1 answers." },

    { "cache_dir", CONFIG_STRING, OFF(cache_dir), .def = "", .max = TEXT, .values = "a directory, or empty",
      .group = "Result cache",
      .help = "Where results of GET /img/ are kept, so that each is made once. Processes may share it, if their "
              "image_root is the same. Empty: there is no cache; a web server's own may do." },
    { "cache_layout", CONFIG_ENUM, OFF(cache_layout), .def = "hashed", .words = "hashed path",
      .help = "path: images lie below cache_dir under the path form of their URLs (w=300/a.jpg), for a web server that "
              "looks there first and asks pixpool for what it does not find. Such a server checks no signature, and "
              "learns of a changed source cache_ttl later at most. hashed: only pixpool finds them." },
    { "cache_size", CONFIG_BYTES, OFF(cache_size), .def = "1G", .min = MEGA, .max = 1024 * TERA,
      .help = "All results in cache_dir together. Beyond, those go that were not asked for longest." },
    { "cache_ttl", CONFIG_SEC, OFF(cache_ttl_s), .def = "1d", .min = 1, .max = 365 * DAY / 1000,
      .help = "A result goes when nobody has asked for it for so long, and one under a name so long after it was made. What "
              "pixpool itself answers was checked against the source." },

    { "max_pixels_in", CONFIG_COUNT, OFF(max_pixels_in), .def = "100M", .min = 1, .max = INT64_C(100000000000),
      .group = "Images",
      .help = "Pixels of a source: width x height, times the frames that are needed. 100M is a hundred million. Beyond: "
              "422." },
    { "max_frames", CONFIG_INT, OFF(max_frames), .def = "500", .min = 1, .max = 100000,
      .help = "Frames of an animation that are decoded for one request. anim=0 needs one. Beyond: 422." },
    { "max_side_in", CONFIG_INT, OFF(max_side_in), .def = "65535", .min = 1, .max = 65535,
      .help = "Longer side of a source, in pixels." },
    { "max_side_out", CONFIG_INT, OFF(max_side_out), .def = "16384", .min = 1, .max = 16384,
      .help = "Longer side of a result, in pixels. WebP itself stops at 16383." },

    { "deadline", CONFIG_MSEC, OFF(deadline_ms), .def = "10s", .min = 50, .max = 10 * MINUTE,
      .group = "Time",
      .help = "Time for one request, waiting included. A worker that passes it is killed; the client gets 504." },
    { "header_timeout", CONFIG_MSEC, OFF(header_timeout_ms), .def = "5s", .min = 50, .max = 10 * MINUTE,
      .help = "Time from a request's first byte to the end of its parameters." },
    { "body_timeout", CONFIG_MSEC, OFF(body_timeout_ms), .def = "30s", .min = 50, .max = 60 * MINUTE,
      .help = "Time for a request's body to arrive. Beyond: 408." },
    { "write_timeout", CONFIG_MSEC, OFF(write_timeout_ms), .def = "30s", .min = 50, .max = 60 * MINUTE,
      .help = "Time for the web server to take each half megabyte of an answer." },
    { "idle_timeout", CONFIG_MSEC, OFF(idle_timeout_ms), .def = "90s", .min = 50, .max = DAY,
      .help = "How long a kept connection may stay silent between requests. More than the web server's own limit (nginx: "
              "60s), so that it is the server who closes it, and never just as it sends on it." },
    { "grace", CONFIG_MSEC, OFF(grace_ms), .def = "30s", .min = 0, .max = 60 * MINUTE,
      .help = "After SIGTERM, how long running requests may take to finish." },

    { "api_token", CONFIG_STRING, OFF(api_token), .def = "", .secret = true, .max = 255, .values = "a text, or empty",
      .group = "Who may do what",
      .help = "Requests that send images or start jobs need the header Authorization: Bearer with this token. Empty: "
              "everybody may, but nothing is stored for others than this machine itself." },
    { "admin_allow", CONFIG_STRING, OFF(admin_allow), .def = "127.0.0.0/8, ::1", .max = TEXT,
      .values = "networks, separated by commas, or empty",
      .help = "Addresses that may read /status, /metrics and explain=1. The web server tells them in REMOTE_ADDR." },
    { "cors_origins", CONFIG_STRING, OFF(cors_origins), .def = "", .max = TEXT,
      .values = "origins such as https://example.org, separated by commas, or *",
      .help = "Pages of these origins may use pixpool from scripts (CORS). Empty: none may." },

    { "signing_keys", CONFIG_STRING, OFF(signing_keys), .def = "", .secret = true, .max = TEXT,
      .values = "id:key pairs, separated by commas",
      .help = "GET of images needs a signature by one of these keys; docs/signing.md says how to make one. A new key is "
              "added beside the old one, which goes when no URL uses it any more." },

    { "allowed_options", CONFIG_STRING, OFF(allowed_options), .def = "", .max = TEXT,
      .values = "names, separated by commas", .group = "Which options requests may use",
      .help = "Options that requests may use. Empty: all. What presets hold is always allowed." },
    { "only_presets", CONFIG_ENUM, OFF(only_presets), .def = "0", .words = "0 1",
      .help = "1: requests must name a preset, and may use no other options but those of allowed_options." },
    { "allowed_sizes", CONFIG_STRING, OFF(allowed_sizes), .def = "", .max = TEXT,
      .values = "300x200, 300x, x200 or 300 (either side), separated by commas",
      .help = "Sizes that requests may ask for with w, h and dpr. Empty: all. Presets may have any." },
    { "fit_dialect", CONFIG_ENUM, OFF(fit_dialect), .def = "pixpool", .words = "pixpool imgix cloudflare glide",
      .help = "Whose meaning the words of fit have, for URLs that were written for another service: fill pads there, for "
              "instance. It decides about enlarging as well, unless the request does." },

    { "maxage", CONFIG_SEC, OFF(maxage_s), .def = "1h", .min = 0, .max = 365 * DAY / 1000,
      .group = "Answers",
      .help = "Cache-Control: max-age of images from /img/, unless the URL says otherwise." },
    { "ignore_options", CONFIG_STRING, OFF(ignore_options), .def = "utm_*,fbclid,gclid", .max = TEXT,
      .values = "names, separated by commas",
      .help = "Options that are dropped before anything looks at them. * at the end of a name stands for any rest." },

    { "log", CONFIG_STRING, OFF(log), .def = "-", .min = 1, .max = TEXT, .values = "a file, or -",
      .group = "Logs",
      .help = "Where log lines go: a file, which is appended to, or - for standard error." },
    { "slow_ms", CONFIG_INT, OFF(slow_ms), .def = "100", .min = 0, .max = 10 * MINUTE,
      .help = "A request that takes longer, in milliseconds, is logged with its options." },
};
/* clang-format on */

const size_t config_keys_n = sizeof config_keys / sizeof *config_keys;
_Static_assert(sizeof config_keys / sizeof *config_keys <= CONFIG_KEYS_MAX, "raise CONFIG_KEYS_MAX");

const char *const config_presets_builtin[] = { "sharp", "fit=cover,enlarge=1,format=jpeg", NULL };
const char *const config_renditions_builtin[] = {
    "thumb", "w=150,h=150,fit=cover", "small", "w=320", "medium", "w=800", "large", "w=1600", "original", "", NULL,
};

const struct config_key *config_key_find(const char *name, size_t n)
{
    for (size_t i = 0; i < config_keys_n; i++)
        if (strlen(config_keys[i].name) == n && memcmp(config_keys[i].name, name, n) == 0)
            return &config_keys[i];
    return NULL;
}

#define NAME 32 /* longer than any key; what is longer is like none */

/* Levenshtein's distance, one row of the matrix at a time. Both names are shorter than NAME. */
static size_t name_distance(const char *a, size_t an, const char *b, size_t bn)
{
    size_t row[NAME];

    for (size_t j = 0; j <= bn; j++)
        row[j] = j;
    for (size_t i = 1; i <= an; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= bn; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[bn];
}

const struct config_key *config_key_nearest(const char *name, size_t n)
{
    const struct config_key *nearest = NULL;
    size_t best = n / 2 + 1; /* more than half of it wrong is no likeness */

    if (n >= NAME)
        return NULL;
    for (size_t i = 0; i < config_keys_n; i++) {
        size_t d = name_distance(name, n, config_keys[i].name, strlen(config_keys[i].name));
        if (d < best) {
            best = d;
            nearest = &config_keys[i];
        }
    }
    return nearest;
}
