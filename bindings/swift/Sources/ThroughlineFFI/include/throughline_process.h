#pragma once

#include <stdbool.h>
#include <stdint.h>

// What Apple's systems say about this process. It is C code, because Swift 6 sees neither the task
// port nor fields that are macros. On other systems nothing is known.

/// When this process was started, in seconds since 1970. 0: unknown.
double throughline_process_started(void);

/// How many bytes of memory the system counts against this process. 0: unknown.
uint64_t throughline_process_footprint(void);

/// Whether the system runs this process because the user has opened the app, and not for a push,
/// for a fetch, or to have it ready.
bool throughline_process_is_in_front(void);
