/* web/status.html, embedded. */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

extern const char status_page[], status_page_end[];

#endif
