/* The page of /status, as it lies in web/: part of the program, so that it is there on the day when nothing else is. */
#include "status_page.h"

__asm__(".section .rodata\n"
        ".balign 16\n"
        ".global status_page\n"
        "status_page:\n"
        ".incbin \"web/status.html\"\n"
        ".global status_page_end\n"
        "status_page_end:\n"
        ".byte 0\n"
        ".previous\n");
