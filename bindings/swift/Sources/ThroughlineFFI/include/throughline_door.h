#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/// Takes a draft. The contract is in uniffi/src/door.rs, the layout in uniffi/src/draft.
int64_t throughline_record(uint64_t handle, const uint8_t *_Nullable draft, size_t length);

/// The version of the native library, which must be `DraftLayout.libraryVersion`.
uint64_t throughline_version(void);

/// The handle of the client that runs. 0 before the start, `UINT64_MAX` after the shutdown. It is
/// an atomic of C's, because Swift has its own only from iOS 18 on.
extern _Atomic uint64_t throughline_door_handle;

static inline uint64_t throughline_door_load(void) {
    return atomic_load_explicit(&throughline_door_handle, memory_order_acquire);
}

static inline void throughline_door_store(uint64_t handle) {
    atomic_store_explicit(&throughline_door_handle, handle, memory_order_release);
}

/// A number that many threads add to.
typedef struct {
    _Atomic uint64_t value;
} throughline_count;

static inline uint64_t throughline_count_add(throughline_count *_Nonnull count, uint64_t more) {
    return atomic_fetch_add_explicit(&count->value, more, memory_order_relaxed);
}

static inline uint64_t throughline_count_load(const throughline_count *_Nonnull count) {
    return atomic_load_explicit(&count->value, memory_order_relaxed);
}

static inline void throughline_count_store(throughline_count *_Nonnull count, uint64_t value) {
    atomic_store_explicit(&count->value, value, memory_order_relaxed);
}

static inline uint64_t throughline_count_take(throughline_count *_Nonnull count) {
    return atomic_exchange_explicit(&count->value, 0, memory_order_relaxed);
}

/// What was written before the number was stored is seen by those that load the number.
static inline void throughline_count_publish(throughline_count *_Nonnull count, uint64_t value) {
    atomic_store_explicit(&count->value, value, memory_order_release);
}

static inline uint64_t throughline_count_acquire(const throughline_count *_Nonnull count) {
    return atomic_load_explicit(&count->value, memory_order_acquire);
}
