/* Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), called by access.c and config.c.
 *
 * Lists are short and asked for few requests, so they are read each time instead of being kept in a second form. All
 * addresses become 128 bits, IPv4 as ::ffff:a.b.c.d, so that one comparison serves both. */
#include "cidr.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED 96 /* bits before the IPv4 address in ::ffff:a.b.c.d */

struct network {
    uint8_t address[16];
    int bits; /* that count, from the first */
};

/* *v4: it is written as IPv4. */
static bool address_read(const char *text, uint8_t out[16], bool *v4)
{
    static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

    memcpy(out, prefix, sizeof prefix);
    *v4 = inet_pton(AF_INET, text, out + sizeof prefix) == 1;
    return *v4 || inet_pton(AF_INET6, text, out) == 1;
}

/* n bytes of text: an address, perhaps with /bits. */
static bool network_read(const char *text, size_t n, struct network *out)
{
    char copy[64];
    bool v4;

    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    char *slash = strchr(copy, '/');
    if (slash)
        *slash++ = '\0';
    if (!address_read(copy, out->address, &v4))
        return false;
    int most = v4 ? 32 : 128, bits = most;
    if (slash) {
        size_t digits = strspn(slash, "0123456789");
        bits = digits >= 1 && digits <= 3 && !slash[digits] ? atoi(slash) : most + 1;
    }
    out->bits = bits + (v4 ? MAPPED : 0);
    return bits <= most;
}

static bool network_holds(const struct network *net, const uint8_t address[16])
{
    int whole = net->bits / 8, rest = net->bits % 8;

    if (memcmp(net->address, address, (size_t)whole) != 0)
        return false;
    return rest == 0 || (net->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

#define SEPARATORS ", \t"

bool cidr_contains(const char *list, const char *address)
{
    struct network net;
    uint8_t asked[16];
    bool v4;

    if (!address_read(address, asked, &v4))
        return false;
    for (const char *p = list + strspn(list, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
        size_t n = strcspn(p, SEPARATORS);
        if (network_read(p, n, &net) && network_holds(&net, asked))
            return true;
        p += n;
    }
    return false;
}

bool cidr_valid(const char *list, char *bad, size_t n)
{
    struct network net;

    for (const char *p = list + strspn(list, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
        size_t len = strcspn(p, SEPARATORS);
        if (!network_read(p, len, &net)) {
            snprintf(bad, n, "%.*s", (int)(len < 60 ? len : 60), p);
            return false;
        }
        p += len;
    }
    return true;
}
