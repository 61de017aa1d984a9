#pragma once

#include <stdbool.h>
#include <stdint.h>

// In C, because Swift 6 does not see the task port and the fields that are macros. Elsewhere than on Apple's systems nothing is known.

/// When this process was started, seconds since 1970; 0: not known.
double throughline_process_started(void);

/// Memory that the system counts against this process, bytes; 0: not known.
uint64_t throughline_process_footprint(void);

/// Whether the system runs this process for somebody who looks at it: not for a push, a fetch or to have it ready.
bool throughline_process_is_in_front(void);
