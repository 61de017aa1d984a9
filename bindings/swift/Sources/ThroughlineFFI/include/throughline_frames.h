#pragma once

#include <stddef.h>
#include <stdint.h>

/// Writes a stack of return addresses as the core writes the stacks of crashes: a line for each
/// frame, with the address in the file of its module and the id by which the module's symbols are
/// found. Returns how many bytes were written, without a zero at the end; a frame that has no room
/// ends the text. On other systems than Apple's nothing is written.
size_t throughline_frames(const uintptr_t *_Nonnull addresses, size_t count, char *_Nonnull text, size_t size);
