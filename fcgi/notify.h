/* What a service manager is told about the life of the service: sd_notify(3), Type=notify. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

/* Sends to the socket that NOTIFY_SOCKET names, where there is one: "READY=1", "STOPPING=1". Never blocks. */
void notify_manager(const char *state);
/* How often the manager wants to hear WATCHDOG=1, in ms; 0: it does not. The spawner asks first: it is the one whom the
 * manager means, and its children inherit the answer. */
int64_t notify_watchdog_ms(void);
#define NOTIFY_BEATS 4 /* within that time: of the gateway's dispatcher, and of the spawner to the manager */
/* A reload began; READY=1 ends it. */
void notify_reloading(void);

#endif
