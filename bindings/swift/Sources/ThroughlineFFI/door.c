#include "throughline_door.h"

_Atomic uint64_t throughline_door_handle = 0;
