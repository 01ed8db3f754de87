/* Lists of networks, "127.0.0.0/8, ::1": as a configuration writes them, and whether an address is in one. */
#ifndef CIDR_H
#define CIDR_H

#include <stdbool.h>
#include <stddef.h>

/* Whether address, in text, lies in one of the networks. What is no address, such as "unix:" or "", lies in none; an
 * IPv4 address that IPv6 carries (::ffff:127.0.0.1) counts as what it carries. Reentrant. */
bool cidr_contains(const char *list, const char *address);

/* Whether the list can be read: addresses, each with /bits or alone, separated by commas or blanks. false: the first
 * bad entry is in bad. */
bool cidr_valid(const char *list, char *bad, size_t n);

#endif
