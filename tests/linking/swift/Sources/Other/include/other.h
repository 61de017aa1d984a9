#pragma once

#include <stdint.h>

/// The version of the SQLite that the other library has, after it has written and read a row.
int32_t other_sqlite_version(void);
