#!/bin/sh
# Started by Apache for each request that comes while the other processes are busy. The program lies beside this file, or
# is installed on this host. The program itself, renamed to pixpool.fcgi, does as well: it reads pixpool.conf beside it.
cd "$(dirname "$0")" || exit 1
[ ! -x ./pixpool ] || exec ./pixpool fcgid --config=pixpool.conf
exec pixpool fcgid --config=pixpool.conf
