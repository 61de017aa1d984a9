#include "throughline_heap.h"

#if __APPLE__
#include <malloc/malloc.h>

uint64_t throughline_heap_in_use(void) {
    malloc_statistics_t all;
    malloc_zone_statistics(0, &all);
    return all.size_in_use;
}
#else
#include <malloc.h>

uint64_t throughline_heap_in_use(void) {
    struct mallinfo2 all = mallinfo2();
    return all.uordblks + all.hblkhd;
}
#endif
