#ifdef THROUGHLINE_LIBRARY_MISSING
#error "Throughline's native library is missing in this checkout: run `cargo xtask release swift --host` in it, or without `--host` for iOS, and build again. A release has the library."
#endif
#include "throughline_door.h"

_Atomic uint64_t throughline_door_handle = 0;
