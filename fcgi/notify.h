/* What a service manager is told about the life of the service: sd_notify(3), Type=notify. */
#ifndef NOTIFY_H
#define NOTIFY_H

/* Sends to the socket that NOTIFY_SOCKET names, where there is one: "READY=1", "STOPPING=1". Never blocks. */
void notify_manager(const char *state);
/* A reload began; READY=1 ends it. */
void notify_reloading(void);

#endif
