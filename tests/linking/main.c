// An app with another SQLite and another Rust library beside Throughline: each uses its own.
#include <stdint.h>
#include <stdio.h>

int32_t other_sqlite_version(void);
int64_t throughline_record(uint64_t handle, const uint8_t *draft, size_t length);

int main(void) {
    int32_t version = other_sqlite_version();
    int64_t answer = throughline_record(1, 0, 0);
    printf("the other SQLite is %d, the door of nobody says %d\n", version, (int)answer);
    return version > 0 && answer == -1 ? 0 : 1;
}
