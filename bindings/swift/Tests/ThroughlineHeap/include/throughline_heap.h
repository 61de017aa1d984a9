#pragma once

#include <stdint.h>

/// How many bytes this process has allocated and not freed, as the system's allocator counts them. It
/// is C code, because Swift does not see the allocator's header on Linux.
uint64_t throughline_heap_in_use(void);
